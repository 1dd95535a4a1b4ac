# The fault sweep: one program on either port, a test for each scenario in fault/sweep/scenarios.
#     fault_sweep [--full] [--kind NAME] [--at K] [--seed S] [SCENARIO...]
#     ctest -L fault
set(BELAY_FAULT_FULL OFF CACHE BOOL "Sweep each point of failure under many more schedules")
file(GLOB fault_sources CONFIGURE_DEPENDS fault/sweep/*.c fault/sweep/scenarios/*.c)
set(fault_other_port "/port_sim.c$")
set(fault_repeats 5 50) # runs of each point, and in a full sweep
if(BELAY_SANITIZER)
    set(fault_repeats 1 10)
endif()
set(fault_wraps port_heap_allocate mmap munmap mprotect madvise pthread_create pthread_atfork pthread_key_create
    epoll_create1 epoll_ctl eventfd fcntl)
if(BELAY_SIM)
    set(fault_other_port "/port_linux.c$")
    set(fault_repeats 50 500)
    set(fault_wraps port_heap_allocate port_pages_map port_pages_unmap port_thread_start port_poller_open port_poller_arm
        port_bell_open)
endif()
list(FILTER fault_sources EXCLUDE REGEX ${fault_other_port})
list(TRANSFORM fault_wraps PREPEND LINKER:--wrap=)

add_executable(fault_sweep ${fault_sources})
target_include_directories(fault_sweep PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fault/sweep)
target_compile_definitions(fault_sweep PRIVATE "FAULT_REPEATS=$<JOIN:${fault_repeats},$<COMMA>>")
target_link_libraries(fault_sweep PRIVATE ${belay_inside})
target_link_options(fault_sweep PRIVATE ${fault_wraps})
set_target_properties(fault_sweep PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

set(fault_scenarios tasks limits forks flow locks owners cleanup cancels races system many)
foreach(scenario IN LISTS fault_scenarios)
    if(BELAY_FAULT_FULL)
        belay_add_test(fault/sweep/${scenario} fault fault_sweep --full ${scenario})
        set_tests_properties(fault/sweep/${scenario} PROPERTIES TIMEOUT 900)
    else()
        belay_add_test(fault/sweep/${scenario} fault fault_sweep ${scenario})
    endif()
endforeach()
