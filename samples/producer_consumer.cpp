// SPDX-License-Identifier: BSL-1.0
// Producers and consumers: two shops sell, three packers pack, a bounded queue lies between them.
#include <fmt/core.h>

#include <map>
#include <multiprocessing/multiprocessing.hpp>
#include <optional>
#include <string>
#include <vector>

namespace mp = multiprocessing;

struct Order {
  int number;
  std::string customer;
  std::map<std::string, int> pieces;  // by product
};

struct Parcel {
  int order;
  std::string address;
  int grams;
};

int weight_of(const Order& order) {
  static const std::map<std::string, int> grams{{"teapot", 850}, {"cup", 240}, {"spoon", 35}};
  int sum = 120;  // the box
  for (const auto& [product, count] : order.pieces) sum += grams.at(product) * count;
  return sum;
}

// No order at all says that the shops have closed.
using Orders = mp::Queue<std::optional<Order>>;

void sell(Orders orders, const std::string& city, int first) {
  for (int i = 0; i < 4; ++i) {
    orders.put(Order{first + i, fmt::format("{} {}", city, i + 1), {{"cup", i + 1}, {"spoon", 6}}});
  }
  orders.put(Order{first + 4, city + " hotel", {{"teapot", 10}, {"cup", 40}}});
}

// Who packed what, and when, is different each time; the parcels are not.
void print_all(mp::Queue<Parcel> parcels) {
  std::map<int, Parcel> by_order;
  while (!parcels.empty()) {
    const Parcel parcel = parcels.get();
    by_order.emplace(parcel.order, parcel);
  }
  int grams = 0;
  for (const auto& [order, parcel] : by_order) {
    fmt::print("order {}  to {:<14}{:>7} g\n", order, parcel.address, parcel.grams);
    grams += parcel.grams;
  }
  fmt::print("{} parcels, {:.2f} kg\n", by_order.size(), grams / 1000.0);
}

// [readme:producer_consumer]
void pack(Orders orders, mp::Queue<Parcel> parcels) {
  while (std::optional<Order> order = orders.get()) {
    parcels.put({order->number, order->customer, weight_of(*order)});
  }
}

int main() {
  Orders orders(3);  // with three in it the shops wait for the packers
  mp::Queue<Parcel> parcels;
  std::vector<mp::Process> shops;
  std::vector<mp::Process> packers;
  for (int i = 0; i < 3; ++i) packers.emplace_back(pack, orders, parcels).start();
  shops.emplace_back(sell, orders, "Vienna", 100).start();
  shops.emplace_back(sell, orders, "Rome", 200).start();

  for (mp::Process& shop : shops) shop.join();
  for (std::size_t i = 0; i < packers.size(); ++i) orders.put(std::nullopt);
  for (mp::Process& packer : packers) packer.join();
  print_all(parcels);
}
// [/readme:producer_consumer]
