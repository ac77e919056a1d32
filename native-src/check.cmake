# Runs the native tests: as they are, under AddressSanitizer and UBSan, and, where clang is found, under
# ThreadSanitizer as race detector of the kernels. What Maven calls in its test phase.
#
#   cmake -D BUILD=<folder of build.cmake> -P check.cmake
cmake_host_system_information(RESULT processors QUERY NUMBER_OF_LOGICAL_CORES)

function(run_tests folder)
  execute_process(
    COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${folder} --output-on-failure --no-tests=error -j
            ${processors} --progress
    OUTPUT_FILE ${folder}/ctest.txt
    RESULT_VARIABLE result)
  file(STRINGS ${folder}/ctest.txt summary REGEX "tests passed|Total Test time")
  message(STATUS "${folder}: ${summary}")
  if(NOT result EQUAL 0)
    file(READ ${folder}/ctest.txt text)
    message(FATAL_ERROR "native tests failed\n${text}")
  endif()
endfunction()

function(run_sanitizer sanitizer)
  set(folder ${BUILD}-${sanitizer})
  set(generator)
  find_program(NINJA NAMES ninja ninja-build)
  if(NINJA AND NOT EXISTS ${folder}/CMakeCache.txt)
    set(generator -G Ninja)
  endif()
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${folder} ${generator} -DRF_CUDA=OFF
            -DRF_SANITIZER=${sanitizer} -DCMAKE_BUILD_TYPE=RelWithDebInfo ${ARGN}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${folder} --parallel ${processors}
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  run_tests(${folder})
endfunction()

# ctest is beside cmake.
get_filename_component(tools ${CMAKE_COMMAND} DIRECTORY)
find_program(CMAKE_CTEST_COMMAND ctest HINTS ${tools} REQUIRED)

run_tests(${BUILD})
run_sanitizer(address)
# Fibers of ThreadSanitizer are twenty times slower in GCC.
find_program(CLANG NAMES clang++-19 clang++-20 clang++-18 clang++)
find_program(CLANG_C NAMES clang-19 clang-20 clang-18 clang)
set(usable FALSE)
if(CLANG AND CLANG_C)
  # The compiler may be there without its sanitizers.
  file(WRITE ${BUILD}/empty.cpp "int main() {}\n")
  execute_process(COMMAND ${CLANG} -fsanitize=thread ${BUILD}/empty.cpp -o ${BUILD}/empty
                  OUTPUT_QUIET ERROR_QUIET RESULT_VARIABLE result)
  if(result EQUAL 0)
    set(usable TRUE)
  endif()
endif()
if(usable)
  run_sanitizer(thread -DCMAKE_C_COMPILER=${CLANG_C} -DCMAKE_CXX_COMPILER=${CLANG})
else()
  message(STATUS "SKIPPED: race detection of the kernels needs clang 19 (Debian: clang-19 libclang-rt-19-dev llvm-19)")
endif()
