// Everything of skald::resilience.
#pragma once

#include <skald/resilience/backoff.hpp>
#include <skald/resilience/bulkhead.hpp>
#include <skald/resilience/circuit_breaker.hpp>
#include <skald/resilience/compose.hpp>
#include <skald/resilience/rate_limiter.hpp>
#include <skald/resilience/refusal.hpp>
#include <skald/resilience/retry.hpp>
#include <skald/resilience/retry_budget.hpp>
#include <skald/resilience/time_limiter.hpp>
