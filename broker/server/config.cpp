#include "broker/server/config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cctype>
#include <system_error>
#include <utility>
#include <vector>

#include "broker/server/units.hpp"

namespace skald::server {

namespace {

const setting* find_setting(std::string_view name) {
  const auto settings = all_settings();
  const auto found =
      std::find_if(settings.begin(), settings.end(), [&](const setting& one) { return one.name == name; });
  return found == settings.end() ? nullptr : &*found;
}

std::string_view expected(setting_kind kind) {
  switch (kind) {
    case setting_kind::text:
      return "a string in quotes";
    case setting_kind::flag:
      return "true or false";
    case setting_kind::number:
      return "a whole number";
    case setting_kind::bytes:
      return "a size, such as \"128MiB\", or a number of bytes";
    case setting_kind::duration:
      return "a duration in quotes, such as \"30s\"";
  }
  return "something else";
}

// What was written, if its TOML type fits the setting's kind.
std::optional<std::string> written(const toml::node& node, setting_kind kind) {
  switch (kind) {
    case setting_kind::text:
    case setting_kind::duration:
      return node.is_string() ? node.value<std::string>() : std::nullopt;
    case setting_kind::flag:
      return node.is_boolean() ? std::optional<std::string>(*node.value<bool>() ? "true" : "false")
                               : std::nullopt;
    case setting_kind::bytes:
      if (node.is_string()) return node.value<std::string>();
      [[fallthrough]];
    case setting_kind::number:
      return node.is_integer() ? std::optional(fmt::format("{}", *node.value<std::int64_t>())) : std::nullopt;
  }
  return std::nullopt;
}

class loader {
 public:
  explicit loader(const config_sources& from) : from_(from) {}

  loaded_config run() {
    if (from_.file) read_file(*from_.file);
    for (const auto& [variable, value] : from_.environment) read_variable(variable, value);
    for (const auto& [name, value] : from_.flags) {
      const setting& is = *find_setting(name);
      apply(is, is.flag(), value);
    }
    if (out_.errors.empty()) check_together();
    return std::move(out_);
  }

 private:
  void apply(const setting& is, const std::string& where, std::string_view value) {
    if (const result<> set = is.set(out_.config, value); !set) {
      out_.errors.push_back(fmt::format("{}: {}: {}", where, is.name, set.error().message));
    }
  }

  void read_file(const std::filesystem::path& path) {
    const auto at = [&](const toml::source_position& position) {
      return fmt::format("{}:{}:{}", path.string(), position.line, position.column);
    };
    const auto unreadable = [&](std::error_code why) {
      out_.errors.push_back(fmt::format("{}: {}", path.string(), why.message()));
    };
    if (::access(path.c_str(), R_OK) != 0) return unreadable({errno, std::system_category()});
    // Reading one would give an empty file.
    if (std::filesystem::is_directory(path))
      return unreadable(std::make_error_code(std::errc::is_a_directory));
    toml::table table;
    try {
      table = toml::parse_file(path.string());
    } catch (const toml::parse_error& failed) {
      out_.errors.push_back(fmt::format("{}: {}", at(failed.source().begin), failed.description()));
      return;
    }
    // In the order of the file, which the table is not in.
    std::vector<std::pair<const toml::key*, const toml::node*>> entries;
    for (const auto& [key, node] : table) entries.emplace_back(&key, &node);
    std::sort(entries.begin(), entries.end(), [](const auto& one, const auto& other) {
      const auto place = [](const auto& entry) {
        const toml::source_position& begin = entry.first->source().begin;
        return std::pair(begin.line, begin.column);
      };
      return place(one) < place(other);
    });
    for (const auto& [key_of, node_of] : entries) {
      const toml::key& key = *key_of;
      const toml::node& node = *node_of;
      const setting* const is = find_setting(key.str());
      if (is == nullptr) {
        out_.errors.push_back(
            fmt::format("{}: there is no setting '{}'; {}", at(key.source().begin), key.str(),
                        node.is_table() ? "settings stand in no [table]" : "skaldd --help lists all"));
      } else if (const auto value = written(node, is->kind)) {
        apply(*is, at(node.source().begin), *value);
      } else {
        out_.errors.push_back(
            fmt::format("{}: {}: expected {}", at(node.source().begin), is->name, expected(is->kind)));
      }
    }
  }

  void read_variable(const std::string& variable, const std::string& value) {
    const auto settings = all_settings();
    const auto found = std::find_if(settings.begin(), settings.end(),
                                    [&](const setting& one) { return one.variable() == variable; });
    if (found != settings.end()) {
      apply(*found, variable, value);
    } else if (variable != "SKALD_BROKER" && variable != "SKALD_CONFIG") {
      out_.warnings.push_back(fmt::format("{} is set, but is no setting of skaldd", variable));
    }
  }

  // What single settings cannot see.
  void check_together() {
    const server_settings& is = out_.config.server;
    if (is.data_directory.empty()) {
      out_.errors.push_back("data_dir: say where to keep the data, with --data-dir DIR");
    }
    if (!boost::asio::ip::make_address(is.listen_address).is_loopback() && !out_.config.allow_insecure) {
      out_.errors.push_back(fmt::format(
          "listen: {} can be reached from other machines, and there is no authentication yet; say "
          "--allow-insecure if that is what you want",
          is.listen_address));
    }
    constexpr std::uint64_t page_bytes = 4096;
    if (is.shard.journal.segment_bytes % page_bytes != 0) {
      out_.errors.push_back(
          fmt::format("segment_bytes: it must be a multiple of {}, as {} is", page_bytes,
                      show_bytes(is.shard.journal.segment_bytes / page_bytes * page_bytes)));
    }
    if (is.memory_bytes_max < 4 * std::uint64_t{is.session.frames.frame_bytes_max}) {
      out_.errors.push_back("memory_bytes_max: it must be at least 4 times frame_bytes_max");
    }
  }

  const config_sources& from_;
  loaded_config out_;
};

}  // namespace

std::string setting::flag() const {
  std::string out = "--" + name;
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

std::string setting::variable() const {
  std::string out = "SKALD_" + name;
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

loaded_config load_config(const config_sources& from) {
  return loader(from).run();
}

std::map<std::string, std::string> skald_environment() {
  std::map<std::string, std::string> found;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (text.starts_with("SKALD_") && equals != std::string_view::npos) {
      found.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return found;
}

std::string show_config(const daemon_config& config) {
  std::string out;
  for (const setting& one : all_settings()) out += fmt::format("{} = {}\n", one.name, one.show(config));
  return out;
}

}  // namespace skald::server
