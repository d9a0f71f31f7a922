#include "progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "output.h"

enum {
	TELL_EVERY_MS = 200,
	STEADY_MS = 3000, /* how far back the rate looks */
	BAR_MAX = 40,     /* columns */
	LINE_MAX_BYTES = 512,
	COLUMNS_DEFAULT = 80,
};

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

/* ---- what is told ---- */

struct state {
	uint64_t done;
	uint64_t total;  /* 0: not known */
	uint64_t each_s; /* 0: not known */
	uint64_t left_s; /* 0: not known */
};

static struct state state_of(struct progress *p, uint64_t done, uint64_t total,
			     int64_t now)
{
	/* Totals are estimates, where streams of deleted snapshots serve. */
	struct state state = { .done = total && done > total ? total : done,
			       .total = total };
	double spent_ms = (double)(now - p->told_ms);

	if (p->told_ms > 0 && done >= p->told_bytes) {
		double each_s = (double)(done - p->told_bytes) * 1000 / spent_ms;
		double weight = spent_ms / (spent_ms + STEADY_MS);

		p->each_s += p->each_s > 0 ? weight * (each_s - p->each_s) :
					     each_s;
	}
	p->told_ms = now;
	p->told_bytes = done;
	state.each_s = (uint64_t)p->each_s;
	if (total > done && state.each_s > 0)
		state.left_s = (total - done) / state.each_s + 1;
	return state;
}

static void print_line(const struct progress *p, const struct state *s)
{
	print_json_line(json_pack(
		"{s:{s:s, s:I, s:o, s:o, s:o}}", "progress", "job", p->what,
		"done_bytes", (json_int_t)s->done, "total_bytes",
		s->total ? json_integer((json_int_t)s->total) : json_null(),
		"bytes_per_second",
		s->each_s ? json_integer((json_int_t)s->each_s) : json_null(),
		"seconds_left",
		s->left_s ? json_integer((json_int_t)s->left_s) : json_null()));
}

/* ---- the bar ---- */

static size_t columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_DEFAULT;
	return size.ws_col;
}

static void format_left(uint64_t seconds, char *ret, size_t size)
{
	if (seconds < 60)
		(void)snprintf(ret, size, ", %" PRIu64 " s left", seconds);
	else if (seconds < 3600)
		(void)snprintf(ret, size, ", %" PRIu64 " min %" PRIu64
			       " s left", seconds / 60, seconds % 60);
	else
		(void)snprintf(ret, size, ", %" PRIu64 " h %" PRIu64
			       " min left", seconds / 3600, seconds / 60 % 60);
}

/* "1.2 GiB of 2.0 GiB, 340.1 MiB/s, 4 s left" */
static void format_figures(const struct state *s, char *ret, size_t size)
{
	char done[SIZE_TEXT], total[SIZE_TEXT + 4] = "", rate[SIZE_TEXT + 4] = "";
	char left[64] = "", number[SIZE_TEXT];

	if (s->total)
		(void)snprintf(total, sizeof(total), " of %s",
			       format_size(s->total, number));
	if (s->each_s)
		(void)snprintf(rate, sizeof(rate), ", %s/s",
			       format_size(s->each_s, number));
	if (s->left_s)
		format_left(s->left_s, left, sizeof(left));
	(void)snprintf(ret, size, "%s%s%s%s", format_size(s->done, done), total,
		       rate, left);
}

/* " 45% [####......] ", as wide as @room allows; empty without a total. */
static void format_bar(const struct state *s, size_t room, char *ret,
		       size_t size)
{
	double share = s->total ? (double)s->done / (double)s->total : 0;
	size_t width = room > BAR_MAX ? BAR_MAX : room, full;

	*ret = '\0';
	if (!s->total)
		return;
	share = share > 1 ? 1 : share;
	full = (size_t)(share * (double)width);
	if (width < 4)
		(void)snprintf(ret, size, "%3d%% ", (int)(share * 100));
	else
		(void)snprintf(ret, size, "%3d%% [%.*s%.*s] ",
			       (int)(share * 100), (int)full,
			       "########################################",
			       (int)(width - full),
			       "........................................");
}

void wipe_progress(struct progress *p)
{
	if (p->drawn) {
		(void)fputs("\r\033[K", stderr);
		(void)fflush(stderr);
	}
	p->drawn = false;
}

static void draw(struct progress *p, const struct state *s)
{
	char figures[128], bar[128], line[LINE_MAX_BYTES];
	size_t wide = columns(), taken;

	format_figures(s, figures, sizeof(figures));
	/* "create: ", " 45% ", the brackets, and the last column, which some
	 * terminals begin a new line for. */
	taken = strlen(p->what) + 2 + 5 + 3 + strlen(figures) + 1;
	format_bar(s, wide > taken ? wide - taken : 0, bar, sizeof(bar));
	(void)snprintf(line, sizeof(line), "%s: %s%s", p->what, bar, figures);
	wipe_progress(p);
	(void)fprintf(stderr, "%.*s", (int)(wide > 1 ? wide - 1 : 1), line);
	(void)fflush(stderr);
	p->drawn = true;
}

/* ---- the monitor ---- */

static void tell(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct progress *p = arg;
	int64_t now;
	struct state state;

	if (!p->shown && !p->lines)
		return;
	now = now_ms();
	if (p->told_ms > 0 && now - p->told_ms < TELL_EVERY_MS)
		return;
	state = state_of(p, done_bytes, total_bytes, now);
	if (p->lines)
		print_line(p, &state);
	if (p->shown)
		draw(p, &state);
}

static bool is_stopped(void *arg)
{
	(void)arg;
	return stop;
}

static void warn(void *arg, const char *text)
{
	struct progress *p = arg;

	wipe_progress(p);
	(void)fprintf(stderr, "%sruvsnap:%s ", colour(stderr, YELLOW),
		      colour(stderr, PLAIN));
	print_escaped(stderr, text);
	(void)fputc('\n', stderr);
	if (p->lines)
		print_json_line(json_pack("{s:o}", "warning",
					  json_bytes(text)));
}

static bool shows_bar(void)
{
	const char *term = getenv("TERM");

	return !is_quiet() && isatty(STDERR_FILENO) && term &&
	       strcmp(term, "dumb") != 0;
}

struct rvs_monitor begin_progress(struct progress *progress, const char *what)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = on_signal };
	struct sigaction before;
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		(void)sigaction(signals[i], &action, &before);
		/* nohup(1) has it ignored, and so it stays. */
		if (signals[i] == SIGHUP && before.sa_handler == SIG_IGN)
			(void)sigaction(SIGHUP, &before, NULL);
	}
	*progress = (struct progress){ .what = what,
				       .shown = shows_bar(),
				       .lines = prints_lines() && !is_quiet() };
	return (struct rvs_monitor){ .arg = progress,
				     .progress = tell,
				     .cancelled = is_stopped,
				     .warning = warn };
}

void end_progress(struct progress *progress)
{
	wipe_progress(progress);
}
