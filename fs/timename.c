#include "timename.h"

#include <stdio.h>
#include <string.h>

#include <rvs/snapshot.h>

#define GMT_FORMAT   "@GMT-%Y.%m.%d-%H.%M.%S"
#define EXACT_FORMAT "%Y-%m-%dT%H:%M:%S"

const char *timename_exact(struct timespec time, char ret[TIMENAME_SIZE])
{
	return rvs_time_format(time, ret);
}

const char *timename_gmt(struct timespec time, char ret[TIMENAME_SIZE])
{
	struct tm tm;

	if (!gmtime_r(&time.tv_sec, &tm) ||
	    !strftime(ret, TIMENAME_SIZE, GMT_FORMAT, &tm))
		ret[0] = '\0'; /* the years that it cannot tell have no name */
	return ret;
}

/* Leniently: what was read is compared with what would be written. */
static bool scan(const char *name, bool exact, struct timespec *ret)
{
	struct tm tm = { 0 };
	const char *rest = strptime(name, exact ? EXACT_FORMAT : GMT_FORMAT,
				    &tm);

	*ret = (struct timespec){ 0, 0 };
	if (!rest || (exact && sscanf(rest, ".%9ldZ", &ret->tv_nsec) != 1) ||
	    ret->tv_nsec < 0)
		return false;
	ret->tv_sec = timegm(&tm);
	return true;
}

bool timename_parse(const char *name, struct timespec *ret, bool *ret_exact)
{
	char written[TIMENAME_SIZE];

	*ret_exact = name[0] != '@';
	if (!scan(name, *ret_exact, ret))
		return false;
	if (*ret_exact)
		return strcmp(timename_exact(*ret, written), name) == 0;
	return strcmp(timename_gmt(*ret, written), name) == 0;
}
