// Ends with 77 where the processor lacks the instruction set that RF_CPU_ISA names.
#include "isa.h"

int main() {
  rf::Isa isa;
  return rf::choose_isa(&isa) ? 0 : 77;
}
