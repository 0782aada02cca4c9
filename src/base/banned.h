/*
 * Calls that do not compile here: each has a bounded, checked or reproducible
 * replacement. The standard headers come first, so that their own declarations are not
 * touched.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANNED(name) call_of_##name##_is_banned

#undef strcpy
#define strcpy(a, b) BANNED(strcpy)
#undef strcat
#define strcat(a, b) BANNED(strcat)
#undef strncpy
#define strncpy(a, b, n) BANNED(strncpy)
#undef strncat
#define strncat(a, b, n) BANNED(strncat)
#undef sprintf
#define sprintf(...) BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf)
#undef strtok
#define strtok(a, b) BANNED(strtok)
#undef rand
#define rand() BANNED(rand)
#undef srand
#define srand(a) BANNED(srand)
#undef atoi
#define atoi(a) BANNED(atoi)
#undef atol
#define atol(a) BANNED(atol)
#undef atof
#define atof(a) BANNED(atof)
#undef localtime
#define localtime(a) BANNED(localtime)
#undef asctime
#define asctime(a) BANNED(asctime)
#undef ctime
#define ctime(a) BANNED(ctime)

#endif
