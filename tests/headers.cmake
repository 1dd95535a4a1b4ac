# Every public header compiles alone, as strict C11 and as C++17.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include
     ${PROJECT_SOURCE_DIR}/include/belay/*.h)
set(strict -fsyntax-only -Wall -Wextra -Wshadow -pedantic -Werror
    -I ${PROJECT_SOURCE_DIR}/include)

foreach(header IN LISTS headers)
    set(path ${PROJECT_SOURCE_DIR}/include/${header})
    belay_add_test(headers/c11/${header} headers
                   ${CMAKE_C_COMPILER} -std=c11 ${strict} -x c ${path})
    if(CMAKE_CXX_COMPILER)
        belay_add_test(headers/c++17/${header} headers
                       ${CMAKE_CXX_COMPILER} -std=c++17 ${strict} -x c++ ${path})
    endif()
endforeach()
