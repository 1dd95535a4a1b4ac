# On a cross build the whole library is compiled, and the context switch, the part written in assembly,
# is run under an emulator.
set(smoke ${CMAKE_CURRENT_SOURCE_DIR}/port/context_smoke.c)
if(NOT EXISTS ${smoke} OR NOT belay_assembly)
    return()
endif()

add_executable(port_context_smoke ${smoke} ${belay_assembly})
file(GLOB arch_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/executor/port/arch/*.c)
target_sources(port_context_smoke PRIVATE ${arch_sources})
belay_private_includes(port_context_smoke)
target_include_directories(port_context_smoke PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
belay_add_test(port/context_smoke port port_context_smoke)
