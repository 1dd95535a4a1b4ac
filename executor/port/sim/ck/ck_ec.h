/* Concurrency Kit's event count for simulated builds.
 *
 * Two things must not reach the stock header: its inline assembly (hidden by hiding the CPU while
 * it is read; everything it includes has been read before), and its out-of-line slow paths, which
 * were compiled into libck without the simulator. The latter get names of ours:
 * port/sim/sim_ck.c. */
#ifndef BELAY_SIM_CK_EC_H
#define BELAY_SIM_CK_EC_H

#include <ck_cc.h>
#include <ck_pr.h>
#include <ck_stdbool.h>
#include <ck_stddef.h>
#include <ck_stdint.h>
#include <sys/time.h>
#include <time.h>

#define ck_ec32_wake sim_ck_ec32_wake
#define ck_ec32_wait_slow sim_ck_ec32_wait_slow
#define ck_ec32_wait_pred_slow sim_ck_ec32_wait_pred_slow
#define ck_ec_deadline_impl sim_ck_ec_deadline_impl

#pragma push_macro("__x86_64__")
#undef __x86_64__
#include_next <ck_ec.h>
#pragma pop_macro("__x86_64__")

#endif
