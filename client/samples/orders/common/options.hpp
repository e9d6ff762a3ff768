// The command line that the services have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

namespace shop {

struct options {
  std::string broker = "127.0.0.1:7411";
  std::filesystem::path data_directory;
  std::string style = "orchestration";
  bool is_choreographed() const { return style == "choreography"; }
};

inline void add_options(CLI::App& app, options& to) {
  app.add_option("-b,--broker", to.broker, "The broker's address [SKALD_BROKER, else 127.0.0.1:7411]")
      ->envname("SKALD_BROKER")
      ->type_name("HOST:PORT");
  app.add_option("--data-dir", to.data_directory, "Where the service has its database")
      ->required()
      ->type_name("DIR");
}

// How services come to an agreement; all of them by the same.
inline void add_style_option(CLI::App& app, options& to) {
  app.add_option("--style", to.style,
                 "How orders and customers are coordinated: orchestration, or choreography")
      ->check(CLI::IsMember({"orchestration", "choreography"}))
      ->type_name("STYLE");
}

}  // namespace shop
