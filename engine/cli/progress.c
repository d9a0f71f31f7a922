#include "progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

enum { DRAW_EVERY_MS = 200 };

/* A signal handler has no other way to say so. */
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wipe(struct progress *p)
{
	if (p->drawn)
		(void)fputs("\r\033[K", stderr);
	p->drawn = false;
}

static void draw(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct progress *p = arg;
	int64_t now = now_ms(), spent = now - p->start_ms;
	char done[SIZE_TEXT], total[SIZE_TEXT], rate[SIZE_TEXT];
	uint64_t each_s;

	if (!p->shown || now - p->drawn_ms < DRAW_EVERY_MS || spent == 0)
		return;
	p->drawn_ms = now;
	each_s = done_bytes * 1000 / (uint64_t)spent;
	wipe(p);
	(void)fprintf(stderr, "%s: %s", p->what, format_size(done_bytes, done));
	if (total_bytes > 0)
		(void)fprintf(stderr, " of %s (%d%%)",
			      format_size(total_bytes, total),
			      (int)(done_bytes * 100 / total_bytes));
	(void)fprintf(stderr, ", %s/s", format_size(each_s, rate));
	if (total_bytes > done_bytes && each_s > 0)
		(void)fprintf(stderr, ", %" PRIu64 " s left",
			      (total_bytes - done_bytes) / each_s + 1);
	(void)fflush(stderr);
	p->drawn = true;
}

static bool is_stopped(void *arg)
{
	(void)arg;
	return stop;
}

static void warn(void *arg, const char *text)
{
	wipe(arg);
	(void)fputs("ruvsnap: ", stderr);
	print_escaped(stderr, text);
	(void)fputc('\n', stderr);
}

struct rvs_monitor begin_progress(struct progress *progress, const char *what)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = on_signal };
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		(void)sigaction(signals[i], &action, NULL);
	*progress = (struct progress){ .what = what,
				       .shown = isatty(STDERR_FILENO),
				       .start_ms = now_ms() };
	return (struct rvs_monitor){ .arg = progress,
				     .progress = draw,
				     .cancelled = is_stopped,
				     .warning = warn };
}

void end_progress(struct progress *progress)
{
	wipe(progress);
	(void)fflush(stderr);
}
