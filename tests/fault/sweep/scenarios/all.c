/* The list of the scenarios. */
#include "scenarios.h"

const fault_scenario fault_scenarios[] = {
    {"tasks", scenario_tasks},     {"limits", scenario_limits},   {"forks", scenario_forks},
    {"flow", scenario_flow},       {"locks", scenario_locks},     {"owners", scenario_owners},
    {"cleanup", scenario_cleanup}, {"races", scenario_races},     {"system", scenario_system},
    {"many", scenario_many},       {"cancels", scenario_cancels},
};

const size_t fault_scenario_count = sizeof fault_scenarios / sizeof *fault_scenarios;
