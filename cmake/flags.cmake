# Compiler flags that hold for everything in the tree: dialect, warnings, checks, sanitizer.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)

add_compile_options(-Wall -Wextra -Wshadow
                    "$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes>")
if(BELAY_WERROR)
    add_compile_options(-Werror)
endif()

add_compile_definitions(BELAY_CHECKS=${BELAY_CHECKS})
if(BELAY_SIM)
    add_compile_definitions(BELAY_SIM)
endif()
if(BELAY_MUTANTS)
    if(NOT BELAY_SIM)
        message(FATAL_ERROR "BELAY_MUTANTS goes with BELAY_SIM only: the library would be one with faults in it")
    endif()
    add_compile_definitions(BELAY_MUTANTS)
    include_directories(${PROJECT_SOURCE_DIR}/tests/sim)
endif()

# Builds with full checks tell Valgrind of their stacks, where it is installed: a few instructions that do nothing
# outside of it.
find_path(VALGRIND_INCLUDE_DIR valgrind/valgrind.h)
if(BELAY_CHECKS EQUAL 2 AND VALGRIND_INCLUDE_DIR AND NOT BELAY_SANITIZER AND NOT BELAY_SIM)
    add_compile_definitions(BELAY_VALGRIND)
endif()

if(BELAY_SANITIZER STREQUAL "thread")
    # Concurrency Kit's inline assembly is opaque to ThreadSanitizer: headers that say the same with
    # compiler builtins come first. The builtins have no 16-byte form without -mcx16.
    add_compile_options(-fsanitize=thread)
    add_link_options(-fsanitize=thread)
    add_compile_definitions(BELAY_TSAN CK_PR_DISABLE_DOUBLE)
    include_directories(BEFORE ${PROJECT_SOURCE_DIR}/executor/port/sanitize/ck)
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
        add_compile_options(-mcx16)
    endif()
elseif(BELAY_SANITIZER STREQUAL "address")
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all)
    add_link_options(-fsanitize=address,undefined)
    add_compile_definitions(BELAY_ASAN)
elseif(BELAY_SANITIZER)
    message(FATAL_ERROR "BELAY_SANITIZER is '${BELAY_SANITIZER}'; it may be 'thread' or 'address'")
endif()
