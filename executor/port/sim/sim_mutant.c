/* Which planted fault is made: see base/mutant.h. Plain, because it is set before anything runs. */
#include "base/mutant.h"

#if defined(BELAY_MUTANTS)
int mutant_selected;
#endif
