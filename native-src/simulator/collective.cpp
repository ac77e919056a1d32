// Collectives of a warp. Lanes that give the same mask meet; groups of lanes with masks that do not
// overlap do so independently, as often as they like.
#include <cstring>

#include "block.h"
#include "counters.h"

namespace sim {
namespace {

bool same_text(const char* a, const char* b) { return a == b || std::strcmp(a, b) == 0; }

}  // namespace

const LaneValues& Block::collective(const char* what, uint32_t mask, const void* value,
                                    size_t bytes, const char* file, int line) {
  Quiet quiet;
  const int lane = current_ % 32;
  const int warp_begin = current_ - lane;
  Warp& warp = warps_[static_cast<size_t>(current_ / 32)];
  Thread& thread = running();
  leave_meeting(thread, lane);
  Meeting* meeting = join_meeting(warp, lane, what, mask, bytes > 0, file, line);
  if (bytes > 0) std::memcpy(meeting->values.bytes[lane], value, bytes);
  happens_before(meeting);
  if (meeting->arrived == (mask & warp.exist)) {
    int released[32];
    int count = 0;
    for (uint32_t rest = meeting->arrived; rest != 0; rest &= rest - 1) {
      const int number = warp_begin + __builtin_ctz(rest);
      threads_[static_cast<size_t>(number)].state = State::kReady;
      released[count++] = number;
    }
    warp.waiting &= ~meeting->arrived;
    meeting->readers = meeting->arrived;
    meeting->values.lanes = meeting->arrived;
    if (counting) count_collective();
    make_ready(released, count);
  }
  wait();
  happens_after(meeting);
  return meeting->values;
}

Meeting* Block::join_meeting(Warp& warp, int lane, const char* what, uint32_t mask, bool exchanges,
                             const char* file, int line) {
  Thread& thread = running();
  thread.what = what;
  thread.file = file;
  thread.line = line;
  thread.mask = mask;
  thread.state = State::kInCollective;
  if ((mask >> lane & 1) == 0) fail_blocked("the calling lane is not in the mask");
  if ((mask & warp.exist & ~warp.live) != 0) {
    fail_blocked("the mask names a lane that has left the kernel");
  }
  Meeting* meeting = nullptr;
  const int warp_begin = current_ - lane;
  for (uint32_t rest = warp.waiting; rest != 0; rest &= rest - 1) {
    const Thread& other = threads_[static_cast<size_t>(warp_begin + __builtin_ctz(rest))];
    if (other.meeting->mask != mask) continue;
    // __syncwarp may stand in both branches of a condition; what exchanges values may not.
    const bool same_line = other.line == line && same_text(other.file, file);
    if (!same_text(other.what, what) || (exchanges && !same_line)) {
      fail_blocked("lanes of one warp meet in different collectives");
    }
    meeting = other.meeting;
    break;
  }
  if (meeting == nullptr) {
    if (free_meetings_.empty()) free_meetings_.push_back(new Meeting);
    meeting = free_meetings_.back();
    free_meetings_.pop_back();
    meeting->mask = mask;
    meeting->arrived = 0;
  }
  meeting->arrived |= 1u << lane;
  warp.waiting |= 1u << lane;
  thread.meeting = meeting;
  return meeting;
}

// The running thread has read the result of its last collective.
void Block::leave_meeting(Thread& thread, int lane) {
  Meeting* meeting = thread.meeting;
  if (meeting == nullptr) return;
  thread.meeting = nullptr;
  meeting->readers &= ~(1u << lane);
  if (meeting->readers != 0) return;
  if (kThreadSanitizer) {
    delete meeting;  // its address carries an order that the next one must not have
  } else {
    free_meetings_.push_back(meeting);
  }
}

}  // namespace sim
