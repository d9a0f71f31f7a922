/*
 * Timename: moments as names of snapshots.  Pure.
 *
 * RFC 3339 with all nine digits of the fraction, as in records, so that a name
 * belongs to one moment; and the form that Samba's shadow_copy2 looks for,
 * which tells seconds.
 */
#ifndef TIMENAME_H
#define TIMENAME_H

#include <stdbool.h>
#include <time.h>

#define TIMENAME_SIZE 64

/* "2026-11-22T10:15:00.123456789Z"; returns @ret. */
const char *timename_exact(struct timespec time, char ret[TIMENAME_SIZE]);

/* "@GMT-2026.11.22-10.15.00"; returns @ret. */
const char *timename_gmt(struct timespec time, char ret[TIMENAME_SIZE]);

/* The moment that @name is the name of, of either form; false when it is none.
 * *ret_exact tells the first form from the second. */
bool timename_parse(const char *name, struct timespec *ret, bool *ret_exact);

#endif
