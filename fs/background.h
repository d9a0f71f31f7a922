/*
 * Background: a program that its starter may leave running.
 *
 * The starter waits until the work is under way, and ends as the work ends when
 * it ends before: what it prints, and its exit status, are the work's own.
 */
#ifndef BACKGROUND_H
#define BACKGROUND_H

/*
 * Fork, before there are threads.  Returns in the child only, with a descriptor
 * for background_ready(); -1 with errno set when that is not possible.
 */
int background_begin(void);

/*
 * The work is under way: leave the terminal, the directory and the session of
 * the starter, then let it end.  Returns 0, or -1 with errno set.
 */
int background_ready(int starter_fd);

#endif
