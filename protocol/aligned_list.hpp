// What FlatBuffers' verifier leaves out: it looks at where a list begins, and not at where its elements do.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstdint>

namespace skald::protocol {

// Whether the elements of a list of structs, which are read in place, lie where the processor may read their
// numbers. True of a list that is absent or empty, wherever that is. The buffer is one that the verifier has
// accepted.
template <class Struct>
bool is_aligned(const flatbuffers::Vector<const Struct*>* list) {
  return list == nullptr || list->size() == 0 ||
         reinterpret_cast<std::uintptr_t>(list->Data()) % alignof(Struct) == 0;
}

}  // namespace skald::protocol
