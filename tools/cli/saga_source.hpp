// Finding sagas in the topics of their orchestrators.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <skald/blocking_client.hpp>

#include "tools/cli/saga_text.hpp"

namespace skald::cli {

// All that have a topic NAME.sagas.
std::vector<std::string> list_orchestrators(blocking_client& broker);

// As it is; nullopt: there is none.
std::optional<found_saga> find_saga(blocking_client& broker, const std::string& orchestrator,
                                    const std::string& id);

// Calls `visit` with each saga of the orchestrator, as it is.
void for_each_saga(blocking_client& broker, const std::string& orchestrator,
                   const std::function<void(found_saga)>& visit);

}  // namespace skald::cli
