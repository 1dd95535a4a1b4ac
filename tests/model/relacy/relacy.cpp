/* Runs a model under Relacy (D. Vyukov): all schedules and, as far as Relacy goes, all reorderings of a small model, or
 * many random ones.
 *
 *     MODEL full | bound SWITCHES | random ITERATIONS      0: nothing found   1: a fault, told with its history
 *
 * The model is C and knows nothing of Relacy: its words are memory, and each operation on one arrives here with the
 * word's address. Behind each address is one of Relacy's atomics. All are made before the threads start, because one
 * that is made later would have a first value that not every thread sees. Which they will be is found out as they come:
 * a run that meets a new one is given up, and the search begins anew with that one, too. */
#include <relacy/relacy.hpp>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
extern const unsigned model_threads;
void model_before(void);
void model_thread(unsigned me);
void model_after(void);
}

namespace {

constexpr unsigned threads_most = 4;
constexpr size_t words_most = 1024;

/* ---- words by address -------------------------------------------------------------------------------------------- */

template <typename T> struct word {
    const volatile void *address;
    bool alive;
    alignas(T) unsigned char space[sizeof(T)];
    T *get() {
        return reinterpret_cast<T *>(space);
    }
};

/* A table with open addressing. Its keys stay from run to run; what is behind them lives for one run. */
template <typename T> struct table {
    word<T> all[words_most];
    size_t count;

    word<T> *find(const volatile void *address) {
        size_t i = (reinterpret_cast<uintptr_t>(address) >> 2) * 0x9e3779b97f4a7c15u >> 54;
        while (all[i].address != address && all[i].address != nullptr) {
            i = (i + 1) % words_most;
        }
        return &all[i];
    }
    word<T> *add(const volatile void *address) {
        word<T> *w = find(address);
        if (w->address == nullptr) {
            w->address = address;
            if (++count > words_most / 2) {
                std::abort();
            }
        }
        return w;
    }
    template <typename F> void each(F f) {
        for (word<T> &w : all) {
            if (w.address != nullptr) {
                f(w);
            }
        }
    }
    void forget() {
        each([](word<T> &w) { w.alive = false; });
    }
};

typedef rl::atomic<uint64_t> shared;
typedef rl::var<uint64_t> unshared;
table<shared> atomics;
table<unshared> plains;
bool before;  /* the one thread that prepares */
bool unknown; /* a word came up that was not made in time */
jmp_buf leave[threads_most];

template <typename T> void make(word<T> &w) {
    if (!w.alive) {
        new (w.space) T();
        w.alive = true;
        w.get()->store(0, rl::mo_relaxed, $);
    }
}
template <> void make(word<unshared> &w) {
    if (!w.alive) {
        new (w.space) unshared();
        w.alive = true;
        (*w.get())($) = 0;
    }
}

template <typename T> T &at(table<T> &t, const volatile void *address) {
    word<T> *w = t.add(address);
    if (!w->alive) {
        if (!before) {
            unknown = true;
            rl::ctx().fail_test("a word that is new", rl::test_result_user_assert_failed, $);
        }
        make(*w);
    }
    return *w->get();
}

rl::memory_order order_of(int order) {
    switch (order) {
    case __ATOMIC_RELAXED:
        return rl::mo_relaxed;
    case __ATOMIC_ACQUIRE:
        return rl::mo_acquire;
    case __ATOMIC_RELEASE:
        return rl::mo_release;
    case __ATOMIC_ACQ_REL:
        return rl::mo_acq_rel;
    default:
        return rl::mo_seq_cst;
    }
}

/* ---- the suite --------------------------------------------------------------------------------------------------- */

template <unsigned N> struct suite : rl::test_suite<suite<N>, N> {
    suite() { /* a run that failed has left its words */
        atomics.forget();
        plains.forget();
    }
    void before() {
        ::before = true;
        model_before();
        atomics.each([](word<shared> &w) { make(w); });
        plains.each([](word<unshared> &w) { make(w); });
        ::before = false;
    }
    void thread(unsigned i) {
        if (setjmp(leave[i]) == 0) {
            model_thread(i);
        }
    }
    void after() {
        model_after();
    }
    ~suite() {
        atomics.each([](word<shared> &w) {
            w.get()->~shared();
            w.alive = false;
        });
        plains.each([](word<unshared> &w) {
            w.get()->~unshared();
            w.alive = false;
        });
    }
};

/* One search. The history of a fault is told by a second one, which Relacy makes itself if it is asked. */
template <unsigned N>
bool simulate(rl::test_params params, std::ostream *out, unsigned long *count) {
    std::ostream nowhere(nullptr);
    params.output_stream = out != nullptr ? out : &nowhere;
    params.progress_stream = &nowhere;
    params.output_history = out == nullptr;
    unknown = false;
    bool good = rl::simulate<suite<N>>(params);
    *count = params.stop_iteration;
    return good;
}

template <unsigned N> int search(const char *how, unsigned long many) {
    rl::test_params params;
    params.search_type = std::strcmp(how, "full") == 0    ? rl::sched_full
                         : std::strcmp(how, "bound") == 0 ? rl::sched_bound
                                                          : rl::sched_random;
    params.iteration_count = many;
    params.context_bound = static_cast<unsigned>(many);
    params.execution_depth_limit = 4000;
    bool good;
    unsigned long count;
    do {
        good = simulate<N>(params, nullptr, &count);
    } while (unknown);
    if (!good) {
        unsigned long again;
        (void)simulate<N>(params, &std::cerr, &again);
    }
    std::printf("%s %lu\n", good ? "accepted" : "rejected", count);
    return good ? 0 : 1;
}

} // namespace

/* ---- what the model calls ---------------------------------------------------------------------------------------- */

extern "C" {

uint64_t relacy_load(const volatile void *address, int order) {
    return at(atomics, address).load(order_of(order), $);
}

void relacy_store(volatile void *address, uint64_t value, int order) {
    at(atomics, address).store(value, order_of(order), $);
}

uint64_t relacy_exchange(volatile void *address, uint64_t value, int order) {
    return at(atomics, address).rmw(rl::rmw_type_t<rl::rmw_type_swap>(), value, order_of(order), $);
}

bool relacy_cas(volatile void *address, uint64_t expected, uint64_t value, uint64_t *found,
                int order, int failed) {
    *found = expected;
    return at(atomics, address)
        .compare_exchange(rl::bool_t<false>(), *found, value, order_of(order), order_of(failed), $);
}

uint64_t relacy_change(volatile void *address, uint32_t size, int how, uint64_t value, int order) {
    shared &w = at(atomics, address);
    uint64_t mask = size == 8 ? ~uint64_t(0) : (uint64_t(1) << size * 8) - 1;
    switch (how) {
    case 0:
        break;
    case 1:
        return w.rmw(rl::rmw_type_t<rl::rmw_type_or>(), value & mask, order_of(order), $);
    default:
        return w.rmw(rl::rmw_type_t<rl::rmw_type_and>(), value & mask, order_of(order), $);
    }
    if (size == 8) {
        return w.rmw(rl::rmw_type_t<rl::rmw_type_add>(), value, order_of(order), $);
    }
    uint64_t now = w.load(rl::mo_relaxed, $); /* Relacy's sum has 64 bits */
    while (!w.compare_exchange(rl::bool_t<false>(), now, (now + value) & mask, order_of(order),
                               rl::mo_relaxed, $)) {
    }
    return now;
}

void relacy_fence(int order) {
    rl::atomic_thread_fence(order_of(order), $);
}

void relacy_plain_write(void *address, uint64_t value) {
    at(plains, address)($) = value;
}

uint64_t relacy_plain_read(const void *address) {
    return at(plains, address)($);
}

void relacy_yield(void) {
    rl::yield(1, $);
}

[[noreturn]] void relacy_fail(const char *what, const char *, int) {
    rl::ctx().fail_test(what, rl::test_result_user_assert_failed, $);
    std::abort();
}

unsigned model_me(void) {
    return rl::thread_index();
}

[[noreturn]] void model_sleep(void) {
    longjmp(leave[rl::thread_index()], 1);
}
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "full";
    unsigned long many = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1000;
    switch (model_threads) {
    case 2:
        return search<2>(how, many);
    case 3:
        return search<3>(how, many);
    default:
        return search<4>(how, many);
    }
}
