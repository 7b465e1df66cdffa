/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Allocation that cannot fail: out of memory ends the process, because libxml2 and OpenSSL were measured to
 * return wrong data with success when it does not. Limits bound memory before it is asked for.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/** Print one static line on stderr and abort. Installed as the failure path of every library's allocator. */
void pke_oom(void) __attribute__((noreturn));

/** malloc, calloc, realloc, strdup, memdup that never return NULL. Release with free(). */
void *pke_malloc(size_t n) __attribute__((malloc));
void *pke_calloc(size_t count, size_t size) __attribute__((malloc));
void *pke_realloc(void *p, size_t n);
char *pke_strdup(const char *s) __attribute__((malloc));
char *pke_strndup(const char *s, size_t n) __attribute__((malloc));
char *pke_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc));

/** Declare a variable whose destructor runs at scope end; the destructor takes a pointer to the variable. */
#define PKE_CLEANUP(fn) __attribute__((cleanup(fn)))

/** Move a pointer out of a cleanup variable. */
#define PKE_TAKE(var)                       \
    (__extension__({                        \
        __typeof__(var) pke_taken_ = (var); \
        (var) = NULL;                       \
        pke_taken_;                         \
    }))

/** Define fn_p(T **) for PKE_CLEANUP from a destructor fn(T *) that accepts NULL. */
#define PKE_DEFINE_CLEANUP(type, fn)    \
    static inline void fn##_p(type **p) \
    {                                   \
        fn(*p);                         \
    }                                   \
    struct pke_swallow_semicolon_

/** free() for PKE_CLEANUP on any pointer variable. */
static inline void pke_free_p(void *p)
{
    extern void free(void *);
    free(*(void **)p);
}

#define PKE_LEN(array) (sizeof(array) / sizeof *(array))

#endif
