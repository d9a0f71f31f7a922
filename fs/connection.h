/*
 * Connection: the kernel's side of the mount, by what /sys offers of it.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <pthread.h>
#include <sys/types.h>

/*
 * The device of the filesystem mounted at @mountpoint, without a request to
 * that filesystem.  Returns 0, or -1 with errno set.
 */
int connection_device(const char *mountpoint, dev_t *ret);

/*
 * Let the kernel ask for as much as @kib ahead of a sequential reader.  Only
 * root may: -1 with errno set is no reason to stop.
 */
int connection_read_ahead(dev_t device, unsigned kib);

/* End all requests that wait for an answer, with an error.  Returns 0, or -1
 * with errno set. */
int connection_abort(dev_t device);

/* Wait for the end of a thread that tells the kernel something.  It may sit in
 * the kernel behind a reader whose request nobody takes any more; ending that
 * request sets both free. */
void connection_join(pthread_t thread, dev_t device);

#endif
