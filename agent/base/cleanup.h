/* Scope-bound cleanup, after systemd's and dbus-broker's attribute helpers. */
#ifndef FLEETPROF_BASE_CLEANUP_H
#define FLEETPROF_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(func) __attribute__((__cleanup__(func)))
#define _unused_ __attribute__((__unused__))
#define _printf_(fmt, args) __attribute__((__format__(__printf__, fmt, args)))

/* Defines funcp(), to be named in _cleanup_(), for a destructor that takes and returns a pointer. */
#define DEFINE_CLEANUP(type, func)                                                                 \
	static inline _unused_ void func##p(type *p)                                               \
	{                                                                                          \
		if (*p)                                                                            \
			func(*p);                                                                  \
	}

/* Defines funcp() for an embedded object's deinit function. */
#define DEFINE_CLEANUP_EMBEDDED(type, func)                                                        \
	static inline _unused_ void func##p(type *p)                                               \
	{                                                                                          \
		func(p);                                                                           \
	}

/* Hands a pointer over: yields it and leaves NULL behind. */
#define TAKE_PTR(ptr)                                                                              \
	({                                                                                         \
		__typeof__(ptr) _taken = (ptr);                                                    \
		(ptr) = NULL;                                                                      \
		_taken;                                                                            \
	})

/* Hands a file descriptor over: yields it and leaves -1 behind. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int _taken = (fd);                                                                 \
		(fd) = -1;                                                                         \
		_taken;                                                                            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline int close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
	return -1;
}

static inline void closep(int *fd)
{
	close_fd(*fd);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

#endif
