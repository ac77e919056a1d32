# Configures, builds and installs the native libraries; what Maven calls.
#
#   cmake -D BUILD=<folder> -D INSTALL=<folder> [-D SIMULATOR=OFF] -P build.cmake
#
# Ninja where it is found, otherwise the generator that CMake prefers; a build folder keeps its
# generator.
if(NOT DEFINED SIMULATOR)
  set(SIMULATOR ON)
endif()
set(configure ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${BUILD} -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_INSTALL_PREFIX=${INSTALL} -DRF_SIMULATOR=${SIMULATOR})
find_program(NINJA NAMES ninja ninja-build)
if(NINJA AND NOT EXISTS ${BUILD}/CMakeCache.txt)
  list(APPEND configure -G Ninja)
endif()
execute_process(COMMAND ${configure} COMMAND_ERROR_IS_FATAL ANY)

cmake_host_system_information(RESULT processors QUERY NUMBER_OF_LOGICAL_CORES)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --parallel ${processors} --target install
                COMMAND_ERROR_IS_FATAL ANY)
