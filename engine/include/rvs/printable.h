/*
 * Printable: raw bytes, such as file names, as text that harms no terminal, no
 * log and no JSON.  Pure.
 */
#ifndef RVS_PRINTABLE_H
#define RVS_PRINTABLE_H

/*
 * @bytes with \n and \t for newlines and tabs, and \xNN for each byte of any
 * other control character (C0, DEL and C1), of the characters that turn the
 * direction of writing, and for each that is not part of UTF-8; malloc'ed, NULL
 * when out of memory.
 */
char *rvs_printable(const char *bytes);

#endif
