/* SPDX-License-Identifier: Apache-2.0 */
/* --enable-coverage only (ld --wrap=_exit): the roles and the key tool end by _exit(), which drops the
 * counters. */
void __gcov_dump(void);
void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));

void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
