// What the broker asks of its process and machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace skald::server {

// Memory in use by this process, as the kernel counts it (resident).
std::uint64_t resident_bytes();
// Free for this user on the file system that `path` is on; 0 when that cannot be told.
std::uint64_t free_disk_bytes(const std::filesystem::path& path);
// Lets the process have as many descriptors as it may; returns how many that is.
std::uint64_t raise_descriptor_limit();
// The journal can promise nothing any more: says why, and ends the process with exit code 70.
[[noreturn]] void die(const std::string& why);

}  // namespace skald::server
