// How the application's types become bytes: a saga's data, commands, replies and errors.
//
// A type either brings it along,
//
//   struct reserve_credit {
//     static constexpr std::string_view name = "reserve-credit";  // on the wire: it outlives the type's
//     std::string to_bytes() const;
//     static reserve_credit from_bytes(std::string_view);
//   };
//
// or codec<T> is specialized for it; json_codec.hpp has one by Boost.JSON. from_bytes() throws what it likes
// when the bytes make no sense. Bytes that are JSON or text can be read where sagas are looked at; others are
// fine.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace skald::sagas {

template <class T>
struct codec {
  static constexpr std::string_view name = T::name;
  static std::string to_bytes(const T& value) { return value.to_bytes(); }
  static T from_bytes(std::string_view bytes) { return T::from_bytes(bytes); }
};

template <class T>
concept encodable = requires(const T& value, std::string_view bytes) {
  { codec<T>::name } -> std::convertible_to<std::string_view>;
  { codec<T>::to_bytes(value) } -> std::convertible_to<std::string>;
  { codec<T>::from_bytes(bytes) } -> std::convertible_to<T>;
};

}  // namespace skald::sagas
