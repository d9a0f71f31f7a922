/*
 * Errors: a status to act on and a sentence to show.
 *
 * Functions of librvs return 0, a documented positive answer, or one of the
 * negative statuses below with the caller's struct rvs_error filled.  The text
 * names the object, the cause and, where there is one, the way out.
 */
#ifndef RVS_ERROR_H
#define RVS_ERROR_H

enum rvs_status {
	RVS_OK = 0,
	RVS_ERR_FAILED = -1,      /* the system refused: see os_error */
	RVS_ERR_USAGE = -2,       /* the caller asked for what makes no sense */
	RVS_ERR_NOT_FOUND = -3,   /* no such store, snapshot or path */
	RVS_ERR_EXISTS = -4,      /* the name is taken */
	RVS_ERR_BUSY = -5,        /* another writer, or a moving source */
	RVS_ERR_CORRUPT = -6,     /* bytes that fail their proof or format */
	RVS_ERR_MISSING = -7,     /* data that the store should hold is gone */
	RVS_ERR_NO_SPACE = -8,    /* disk or quota is full */
	RVS_ERR_INTERRUPTED = -9, /* the caller's monitor asked to stop */
	RVS_ERR_NO_MEMORY = -10,
	RVS_ERR_REFUSED = -11,    /* a newer format, an unsafe request */
};

#define RVS_ERROR_TEXT_MAX 2048

struct rvs_error {
	int status;   /* enum rvs_status */
	int os_error; /* errno of the failed system call, or 0 */
	char text[RVS_ERROR_TEXT_MAX];
};

#define RVS_ERROR_INIT                                                         \
	{                                                                      \
		0, 0, ""                                                       \
	}

#endif
