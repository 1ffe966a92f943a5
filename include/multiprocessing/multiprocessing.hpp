// SPDX-License-Identifier: BSL-1.0
// Everything: `#include <multiprocessing/multiprocessing.hpp>`, `namespace mp = multiprocessing;`.
#pragma once
#include <multiprocessing/address.hpp>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/context.hpp>
#include <multiprocessing/datagram.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/fifo.hpp>
#include <multiprocessing/futures.hpp>
#include <multiprocessing/listener.hpp>
#include <multiprocessing/log.hpp>
#include <multiprocessing/managers.hpp>
#include <multiprocessing/memory.hpp>
#include <multiprocessing/object.hpp>
#include <multiprocessing/partial.hpp>
#include <multiprocessing/pool.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/shared_memory.hpp>
#include <multiprocessing/sharedctypes.hpp>
#include <multiprocessing/signals.hpp>
#include <multiprocessing/synchronize.hpp>
#include <multiprocessing/timeout.hpp>
