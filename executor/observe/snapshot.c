/* Lists live tasks from their records, without a lock: records are type-stable, and an entry whose record changed hands
 * while it was read is left out. Reads, never steers. */
#include <stdio.h>

#include <belay/observe.h>

#include "owner/scope.h"
#include "base/mutant.h"

static belay_task_state state_of(const belay_task *t, uint32_t word) {
    uint32_t wait = load_relaxed(&t->wait) & WAIT_BASE; /* relaxed: a snapshot */
    switch (word & STATE_PHASE) {
    case PHASE_QUEUED:
        return BELAY_STATE_QUEUED;
    case PHASE_DEFERRED:
        return wait == WAIT_PARKED ? BELAY_STATE_DEFERRED : BELAY_STATE_QUEUED;
    case PHASE_RUNNING:
        return BELAY_STATE_RUNNING;
    case PHASE_SUSPENDED:
        return wait == WAIT_PARKED || wait == WAIT_ARMED ? BELAY_STATE_SUSPENDED
                                                         : BELAY_STATE_QUEUED;
    default:
        return BELAY_STATE_FINISHING;
    }
}

static const char *waiting_on(belay_task_state state, uint32_t word) {
    if (state == BELAY_STATE_DEFERRED) {
        return wait_kind_text(WAIT_FOR_START);
    }
    if (state != BELAY_STATE_SUSPENDED) {
        return NULL;
    }
    return wait_kind_text((wait_kind)(word >> STATE_KIND_SHIFT & 0xff));
}

static int64_t age_of(uint32_t born) {
    uint32_t now = (uint32_t)(port_clock_coarse() >> BORN_SHIFT);
    return now > born ? (int64_t)(now - born) << BORN_SHIFT : 0;
}

static bool is_live(uint32_t word) {
    uint32_t now = word & STATE_PHASE;
    return now != PHASE_FREE && now != PHASE_DONE && (word & STATE_FORK) == 0;
}

/* False: not live, not in the scope, or it changed while being read. */
static bool read_task(const belay_executor *ex, const belay_task *t, const scope *within,
                      belay_task_info *out) {
    uint32_t word = load_acquire(&t->state); /* pairs with state_born: the fields are filled */
    const scope *s =
        load_relaxed(&t->scope); /* relaxed, here and below: looked at again at the end */
    if (!is_live(word) || s == NULL || (within != NULL && !scope_has_ancestor(s, within))) {
        return false;
    }
    uint32_t born = load_relaxed(&t->born);
    /* Without a handle the generation is not used up, and would come again with the slot's next task. */
    out->task = (word & STATE_HANDLE) != 0 ? task_handle(ex, t) : (belay_task_handle){0};
    out->scope = scope_handle(ex, scope_public(s));
    out->state = state_of(t, word);
    out->cancel_requested = (load_relaxed(&t->cancel) & WORD_RAW) != 0 || scope_canceled(s);
    out->name = load_relaxed(&t->name);
    out->site = load_relaxed(&t->site);
    out->waiting_on = waiting_on(out->state, word);
    out->age = age_of(born);
    return MUTANT(snapshot_no_second_look) ||
           (is_live(load_acquire(&t->state)) && load_relaxed(&t->scope) == s && /* as above */
            load_relaxed(&t->site) == out->site && load_relaxed(&t->born) == born);
}

static size_t list_tasks(const belay_executor *ex, const scope *within, belay_task_info *infos,
                         size_t capacity) {
    size_t count = 0;
    uint32_t made = slab_made(&ex->tasks);
    for (uint32_t i = 1; i <= made; i++) {
        belay_task_info info;
        if (read_task(ex, slab_at(&ex->tasks, i), within, &info)) {
            if (count < capacity) {
                infos[count] = info;
            }
            count++;
        }
    }
    return count;
}

belay_status belay_snapshot(const belay_executor *executor, belay_task_info *infos, size_t capacity,
                            size_t *count) {
    belay_executor *ex = (belay_executor *)(uintptr_t)executor;
    if (ex == NULL || count == NULL || (infos == NULL && capacity != 0)) {
        return BELAY_EINVAL;
    }
    if (worker_in(ex) == NULL && !guest_enter(ex)) {
        return BELAY_EINVAL;
    }
    *count = list_tasks(ex, NULL, infos, capacity);
    registry_done(ex);
    return BELAY_OK;
}

belay_status belay_scope_stragglers(belay_scope h, belay_task_info *infos, size_t capacity,
                                    size_t *count) {
    if (count == NULL || (infos == NULL && capacity != 0)) {
        return BELAY_EINVAL;
    }
    belay_executor *ex = registry_open(h.executor, h.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    scope *s = scope_at(ex, h);
    bool alive = s != NULL && count_pin(s, (uint32_t)(h.generation & SLOT_GENERATION));
    if (alive) {
        *count = list_tasks(ex, s, infos, capacity);
        count_leave(NULL, s);
    }
    registry_done(ex);
    return alive ? BELAY_OK : BELAY_ESTALE;
}

static const char *state_text(belay_task_state state) {
    static const char *const text[] = {[BELAY_STATE_QUEUED] = "queued",
                                       [BELAY_STATE_DEFERRED] = "deferred",
                                       [BELAY_STATE_RUNNING] = "running",
                                       [BELAY_STATE_SUSPENDED] = "suspended",
                                       [BELAY_STATE_FINISHING] = "finishing"};
    return (unsigned)state < sizeof text / sizeof text[0] && text[state] != NULL ? text[state]
                                                                                 : "?";
}

size_t belay_task_info_text(const belay_task_info *info, char *buffer, size_t size) {
    if (info == NULL || (buffer == NULL && size != 0)) {
        return 0;
    }
    int n = snprintf(buffer, size, "%s (%s) %s%s%s%s, %lld ms old",
                     info->name != NULL ? info->name : "-", info->site != NULL ? info->site : "-",
                     state_text(info->state), info->waiting_on != NULL ? " on " : "",
                     info->waiting_on != NULL ? info->waiting_on : "",
                     info->cancel_requested ? ", cancelled" : "", (long long)(info->age / 1000000));
    return n < 0 ? 0 : (size_t)n;
}
