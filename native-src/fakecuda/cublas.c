// Stand-in for libcublas.so.13: it is loaded together with libcublasLt.so.13, and not used.
int cublasGetVersion_v2(void* handle, int* version) {
  (void)handle;
  *version = 130000;
  return 0;
}
