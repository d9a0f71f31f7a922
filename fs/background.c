#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

/* Whether the child said that it is ready, not ended without a word. */
static int is_ready(int fd)
{
	ssize_t len;
	char byte;

	do
		len = read(fd, &byte, 1);
	while (len < 0 && errno == EINTR);
	return len == 1;
}

static int exit_code_of(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	(void)fprintf(stderr, "ruvsnapfs: killed by signal %d\n",
		      WTERMSIG(status));
	return EXIT_FAILURE;
}

int background_begin(void)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	child = fork();
	if (child < 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		return -1;
	}
	if (child == 0) {
		(void)close(fds[0]);
		return fds[1];
	}
	(void)close(fds[1]);
	/* _exit: what is buffered is the child's to write. */
	_exit(is_ready(fds[0]) ? EXIT_SUCCESS : exit_code_of(child));
}

static int leave_terminal(void)
{
	CLEANUP(cleanup_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd;

	if (null < 0)
		return -1;
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return -1;
	return 0;
}

int background_ready(int starter_fd)
{
	CLEANUP(cleanup_fd) int fd = starter_fd;

	if (chdir("/") < 0 || leave_terminal() < 0)
		return -1;
	(void)setsid(); /* fails only for a leader, which a child is not */
	return write(fd, "", 1) == 1 ? 0 : -1;
}
