# What tests, stress programs, benchmarks and examples share.
include(CheckLanguage)
find_package(PkgConfig QUIET)

# C++ is for the header tests and for peers in the benchmark; neither is worth failing for.
if(NOT CMAKE_CROSSCOMPILING)
    check_language(CXX)
    if(CMAKE_CXX_COMPILER)
        enable_language(CXX)
    endif()
endif()

# The library never replaces its host's malloc; these programs are hosts, and choose jemalloc. A
# sanitizer has an allocator of its own.
add_library(belay_host_malloc INTERFACE)
if(NOT BELAY_SANITIZER AND NOT CMAKE_CROSSCOMPILING AND NOT BELAY_SIM)
    find_library(JEMALLOC_LIBRARY jemalloc)
    if(JEMALLOC_LIBRARY)
        # Nothing in the program refers to it, and yet it must not be dropped.
        target_link_libraries(belay_host_malloc INTERFACE
                              -Wl,--push-state,--no-as-needed ${JEMALLOC_LIBRARY} -Wl,--pop-state)
    endif()
endif()

set(belay_test_environment
    "TSAN_OPTIONS=halt_on_error=1 second_deadlock_stack=1"
    "ASAN_OPTIONS=detect_leaks=1"
    "UBSAN_OPTIONS=print_stacktrace=1")

# Registers a test: belay_add_test(<name> <label> <command>...).
function(belay_add_test name label)
    add_test(NAME ${name} COMMAND ${ARGN})
    set(limit 120)
    if(label STREQUAL "model" OR label STREQUAL "valgrind") # they take half a minute on a quiet machine
        set(limit 600)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${limit} LABELS ${label}
                         ENVIRONMENT "${belay_test_environment}" SKIP_RETURN_CODE 77)
endfunction()
