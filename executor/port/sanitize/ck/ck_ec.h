/* Concurrency Kit's event count for ThreadSanitizer builds: the stock header without its inline
 * assembly, which is hidden by hiding the CPU while the header is read; everything it includes has
 * been read before. The slow paths in libck stay as they are: their accesses are unseen, and
 * whoever waited reads the counter again through ck_pr. */
#ifndef BELAY_SANITIZE_CK_EC_H
#define BELAY_SANITIZE_CK_EC_H

#include <ck_cc.h>
#include <ck_pr.h>
#include <ck_stdbool.h>
#include <ck_stddef.h>
#include <ck_stdint.h>
#include <sys/time.h>
#include <time.h>

#pragma push_macro("__x86_64__")
#undef __x86_64__
#include_next <ck_ec.h>
#pragma pop_macro("__x86_64__")

#endif
