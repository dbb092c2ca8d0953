/* SPDX-License-Identifier: MIT */
#pragma once

/* The few macros of the house. */

#include <stddef.h>
#include <stdlib.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))

/* Hands a pointer over and forgets it. */
#define TAKE_PTR(p)                                                                                                    \
	({                                                                                                             \
		__typeof__(p) *_take_ = &(p);                                                                          \
		__typeof__(p) _taken_ = *_take_;                                                                       \
		*_take_ = NULL;                                                                                        \
		_taken_;                                                                                               \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

/* x_freep for _cleanup_, from x_free. */
#define DEFINE_FREEP(type, func)                                                                                       \
	static inline void func##p(type **p)                                                                           \
	{                                                                                                              \
		if (*p)                                                                                                \
			func(*p);                                                                                      \
	}

static inline void freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(freep)
