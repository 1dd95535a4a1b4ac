# The library in its forms, all from one set of objects:
#   belay           static archive of one object in which only belay_* symbols are global
#   belay_shared    shared library
#   belay_internal  every symbol visible, for unit tests; never installed
# and, with BELAY_SIM, instead of them:
#   belay_sim       the same sources on the simulated port

# On a cross build Concurrency Kit's library is missing, and its headers, which are the same for every
# CPU but for one line, come from the build machine.
if(CMAKE_CROSSCOMPILING)
    include(cmake/cross-ck.cmake)
else()
    find_path(CK_INCLUDE_DIR ck_pr.h REQUIRED)
    find_library(CK_LIBRARY libck.a REQUIRED)
endif()
find_package(Threads REQUIRED)

file(GLOB_RECURSE belay_sources CONFIGURE_DEPENDS executor/*.c)
set(belay_other_port "/executor/port/sim/")
if(BELAY_SIM)
    set(belay_other_port "/executor/port/linux/")
endif()
list(FILTER belay_sources EXCLUDE REGEX ${belay_other_port})
file(GLOB belay_assembly CONFIGURE_DEPENDS executor/port/arch/*${CMAKE_SYSTEM_PROCESSOR}*.S)
list(APPEND belay_sources ${belay_assembly})

# Adds what is needed to compile against the library's inside.
function(belay_private_includes target)
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    if(BELAY_SIM)
        target_include_directories(${target} BEFORE PUBLIC
                                   $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/executor/port/sim/ck>)
    endif()
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/executor>)
    target_include_directories(${target} SYSTEM PUBLIC $<BUILD_INTERFACE:${CK_INCLUDE_DIR}>)
endfunction()

# One set of objects serves the archive and the shared library, so it is position independent; no
# symbol may be replaced from outside, and thread-local data is reached without a call.
add_library(belay_objects OBJECT ${belay_sources})
belay_private_includes(belay_objects)
target_compile_definitions(belay_objects PRIVATE BELAY_BUILDING)
target_compile_options(belay_objects PRIVATE -fvisibility=hidden -fno-semantic-interposition
                       -ftls-model=initial-exec)
set_target_properties(belay_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)

if(CMAKE_CROSSCOMPILING)
    return()
endif()

if(BELAY_SIM)
    set(belay_inside belay_sim)
else()
    set(belay_inside belay_internal)
endif()
add_library(${belay_inside} STATIC $<TARGET_OBJECTS:belay_objects>)
belay_private_includes(${belay_inside})
target_link_libraries(${belay_inside} PUBLIC ${CK_LIBRARY} Threads::Threads)

if(BELAY_SIM)
    return()
endif()

# The archive: hidden visibility means nothing to a static link, so the objects become one, with what
# they use of Concurrency Kit, and all that is hidden in it becomes local. The same object, with
# Concurrency Kit's symbols no longer global, makes the shared library.
set(belay_object ${PROJECT_BINARY_DIR}/belay_all.o)
add_custom_command(
    OUTPUT ${belay_object}
    COMMAND ${CMAKE_LINKER} -r -o ${belay_object}.tmp $<TARGET_OBJECTS:belay_objects> ${CK_LIBRARY}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden --wildcard --localize-symbol=ck_*
            ${belay_object}.tmp ${belay_object}
    DEPENDS belay_objects $<TARGET_OBJECTS:belay_objects> ${CK_LIBRARY}
    COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Joining the objects and hiding what is internal")

foreach(form IN ITEMS belay belay_shared)
    string(COMPARE EQUAL ${form} belay_shared is_shared)
    if(is_shared)
        add_library(${form} SHARED ${belay_object})
    else()
        add_library(${form} STATIC ${belay_object})
    endif()
    set_target_properties(${form} PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME belay
                          VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    target_include_directories(${form} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${form} PUBLIC Threads::Threads)
    add_library(belay::${form} ALIAS ${form})
endforeach()
# nodelete: worker threads would return into unmapped code after a dlclose.
target_link_options(belay_shared PRIVATE LINKER:-z,nodelete LINKER:-z,defs
                    LINKER:--exclude-libs,ALL)
if(BELAY_SANITIZER)
    # A sanitizer's run-time library is linked to the program, so its symbols stay undefined here.
    target_link_options(belay_shared PRIVATE LINKER:-z,undefs)
endif()
