# The scenarios of the simulated port: one program, one test for each file in scenarios/.
#     sim_scenarios [--seeds N] [--seed S] [--scheduler random|pct|mixed|exhaustive] [NAME...]
set(BELAY_SIM_SEEDS 2000 CACHE STRING "Schedules that each scenario runs as a test")
file(GLOB scenario_sources CONFIGURE_DEPENDS sim/scenarios/*.c)
if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/sim/scenarios_main.c)
    return()
endif()

file(GLOB runner_sources CONFIGURE_DEPENDS sim/runner*.c)
add_executable(sim_scenarios sim/scenarios_main.c sim/scenario.c ${runner_sources} ${scenario_sources})
target_include_directories(sim_scenarios PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/sim)
target_link_libraries(sim_scenarios PRIVATE belay_sim)
# At fixed addresses: the library keeps a condition's waiters in a table, by the condition's address.
target_link_options(sim_scenarios PRIVATE -no-pie)
set_target_properties(sim_scenarios PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

# The faults planted in the protocols, each of which its scenario must find.
if(BELAY_MUTANTS)
    add_executable(sim_mutants sim/mutants_main.c)
    target_include_directories(sim_mutants PRIVATE ${PROJECT_SOURCE_DIR}/executor)
    set_target_properties(sim_mutants PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
    belay_add_test(sim/mutants sim sim_mutants $<TARGET_FILE:sim_scenarios>)
    belay_add_test(sim/mutants_page sim ${CMAKE_CURRENT_SOURCE_DIR}/sim/mutants_page.sh
                   ${PROJECT_SOURCE_DIR}/docs/verification.md $<TARGET_FILE:sim_mutants>)
endif()

# A seed is the same run in every process, and so are its decisions; every schedule of the small ones.
belay_add_test(sim/check sim sim_scenarios --check 10)
belay_add_test(sim/bypass sim ${CMAKE_CURRENT_SOURCE_DIR}/sim/bypass.sh
               ${PROJECT_BINARY_DIR}/CMakeFiles/belay_objects.dir)
belay_add_test(sim/exhaustive sim sim_scenarios --scheduler exhaustive)
foreach(source IN LISTS scenario_sources)
    cmake_path(GET source STEM name)
    belay_add_test(sim/scenario/${name} sim
                   sim_scenarios --seeds ${BELAY_SIM_SEEDS} --seed 1 --jobs 1 ${name})
endforeach()
