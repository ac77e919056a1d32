// Stand-in for libcuda.so.1: a driver that is there, and nothing more.
int cuInit(unsigned flags) {
  (void)flags;
  return 0;
}

int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}
