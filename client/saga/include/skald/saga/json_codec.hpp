// A codec by Boost.JSON, for types that it converts (tag_invoke for value_from and value_to):
//
//   template <>
//   struct skald::sagas::codec<order> : skald::sagas::json_codec<order> {
//     static constexpr std::string_view name = "order";
//   };
//
// Only who includes this sees Boost.JSON.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include <skald/saga/codec.hpp>

namespace skald::sagas {

template <class T>
struct json_codec {
  static std::string to_bytes(const T& value) {
    return boost::json::serialize(boost::json::value_from(value));
  }
  static T from_bytes(std::string_view bytes) {
    return boost::json::value_to<T>(boost::json::parse({bytes.data(), bytes.size()}));
  }
};

}  // namespace skald::sagas
