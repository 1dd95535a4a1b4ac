# What `cmake --install` puts in place: headers, both libraries, a CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/belay DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
install(TARGETS belay belay_shared EXPORT belay
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(belay_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/belay)
install(EXPORT belay NAMESPACE belay:: FILE belay-targets.cmake DESTINATION ${belay_package_dir})
configure_package_config_file(cmake/belay-config.cmake.in ${PROJECT_BINARY_DIR}/belay-config.cmake
                              INSTALL_DESTINATION ${belay_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/belay-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/belay-config.cmake
              ${PROJECT_BINARY_DIR}/belay-config-version.cmake
        DESTINATION ${belay_package_dir})

configure_file(cmake/belay.pc.in ${PROJECT_BINARY_DIR}/belay.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/belay.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
