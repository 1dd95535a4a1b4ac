/* Faults that the tests plant, to show that they would find them.
 *
 * A protocol's tests prove little unless they fail when a step is left out. So some steps are written with
 * MUTANT(name), which is true when the fault of that name is to be made. In every build of the library but the one for
 * this proof (BELAY_MUTANTS, on the simulated port) it is the constant 0 and leaves nothing behind.
 *
 * The faults are listed in tests/sim/mutant_table.h, each with the scenario that must find it. The simulator's program
 * selects one when it starts; a model for a checker is compiled for one: -DBELAY_MUTANTS -DBELAY_MUTANT=name. */
#ifndef BELAY_BASE_MUTANT_H
#define BELAY_BASE_MUTANT_H

#if defined(BELAY_MUTANTS)

#include "mutant_table.h"

#define MUTANT_NUMBER(name, protocol, file, what, scenario, seeds) MUTANT_##name,
enum { MUTANT_none, MUTANTS(MUTANT_NUMBER) MUTANT_COUNT };
#undef MUTANT_NUMBER

#if defined(BELAY_MUTANT)
#define MUTANT_JOIN(name) MUTANT_##name
#define MUTANT_OF(name) MUTANT_JOIN(name)
#define MUTANT(name) ((int)MUTANT_##name == (int)MUTANT_OF(BELAY_MUTANT))
#else
extern int mutant_selected; /* constant while the library runs; port/sim */
#define MUTANT(name) (__builtin_expect(mutant_selected == MUTANT_##name, 0))
#endif

#else
#define MUTANT(name) 0
#endif

#endif
