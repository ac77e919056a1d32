// A library that must be refused: of another version, without functions, or not a kernel library.
#include "reformer_kernels.h"

#ifdef RF_TEST_VERSION
int rf_abi_version(void) { return RF_TEST_VERSION; }
const char* rf_description(void) { return "a library to be refused"; }
#else
extern "C" RF_EXPORT int something_else(void) { return 1; }
#endif
