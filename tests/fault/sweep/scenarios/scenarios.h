/* The scenarios, and what they share beyond sweep.h. */
#ifndef BELAY_TESTS_FAULT_SCENARIOS_H
#define BELAY_TESTS_FAULT_SCENARIOS_H

#include "sweep.h"

void scenario_tasks(void);
void scenario_limits(void);
void scenario_forks(void);
void scenario_flow(void);
void scenario_locks(void);
void scenario_owners(void);
void scenario_cleanup(void);
void scenario_cancels(void);
void scenario_races(void);
void scenario_system(void);
void scenario_many(void);

#endif
