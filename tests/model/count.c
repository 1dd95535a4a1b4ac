/* A scope's count with a home against its closer. docs/protocols/close.md.
 *
 * One member ends at home, in the private count; another elsewhere, in the word. The closer takes the bias off, asks to
 * be told of zero, and is told exactly when both have ended, or finds that they have. PIN: somebody with a handle pins
 * the scope meanwhile, or finds it stale. */
#include "model.h"

#include "owner/count.c"

#ifndef PIN
#define PIN 0
#endif
const unsigned model_threads = (MODEL_SMALL ? 2 : 3) + PIN;

static belay_executor ex;
static scope s;
static worker home;
static arm closer;
static plain at_home; /* written by the members, read by the closer */
static plain elsewhere;
static plain slot; /* the slot: touched by who holds it, freed by the closer */
static bool asleep;
static bool told;

void *port_current_get(void) {
    return model_me() == 0 ? &home : NULL;
}
void section_quiesce(const worker *w) {
    uint32_t seen = load_acquire(&w->section);
    while ((seen & 1) != 0 && load_acquire(&w->section) == seen) {
        port_cpu_relax();
    }
}
bool arm_claim(arm *a, bool *parked) {
    CHECK_ALWAYS(a == &closer && !told);
    *parked = true;
    return true;
}
void arm_resume(arm *a, bool parked) {
    (void)a;
    (void)parked;
    told = true;
}
bool owner_ends(scope *sc) {
    (void)sc;
    return false;
}

void model_before(void) {
    ex.sched.workers = &home;
    ex.sched.count = 1;
    home.sched = &ex.sched;
    init_plain(&home.section, 0u);
    s.executor = &ex;
    lock_init(&s.lock);
    list_init(&s.waiters);
    list_init(&s.takers);
    init_plain(&s.word, 0u);
    count_born(&s, 1);
    init_plain(&s.local, MODEL_SMALL ? 1 : 2); /* both were spawned at home */
    plain_write(&at_home, 0);
    plain_write(&elsewhere, MODEL_SMALL);
    plain_write(&slot, 0);
    list_init(&closer.link);
    asleep = false;
    told = false;
}

static void finish(void) {
    CHECK_ALWAYS(plain_read(&at_home) == 1 && plain_read(&elsewhere) == 1);
}

/* As in owner/close.c: the flag, the wait, and the end of the generation, which is put off while somebody has a pin. */
static void close_it(void) {
    lock_take(&s.lock);
    CHECK_ALWAYS(count_close(&s));
    bool waits = count_watch(&s);
    if (waits) {
        list_append(&s.waiters, &closer.link);
        asleep = true;
    }
    if (!waits) {
        finish();
        if (count_kill(&s)) {
            plain_write(&slot, 1);
        }
    }
    lock_release(&s.lock);
}

void model_thread(unsigned me) {
    switch (me) {
    case 0:
        plain_write(&at_home, 1);
        count_leave(&home, &s);
        break;
    case 1:
        close_it();
        break;
    case 2:
        if (!MODEL_SMALL) {
            plain_write(&elsewhere, 1);
            count_leave(NULL, &s);
            break;
        } /* else: as 3 */
    /* fall through */
    default:
        if (count_pin(&s, 1)) {
            (void)plain_read(&slot);
            count_leave_shared(&s, 1);
        }
    }
}

void model_after(void) {
    CHECK_ALWAYS(!asleep || told);
    CHECK_ALWAYS((load_relaxed(&s.word) & COUNT_MASK) == 0);
    finish();
}
