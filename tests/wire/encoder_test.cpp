// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/errors.hpp>

namespace multiprocessing::detail {
namespace {

Handle handle_to(int object) { return Handle(std::make_shared<int>(object)); }

TEST(Encoder, WritesIntoAGivenBufferAndSaysSo) {
  alignas(16) std::byte buffer[16];
  Encoder encoder(buffer);

  encoder.put(std::uint64_t{1});
  encoder.put(std::uint64_t{2});

  EXPECT_TRUE(encoder.in_place());
  EXPECT_EQ(encoder.bytes().data(), buffer);
  EXPECT_EQ(encoder.bytes().size(), sizeof buffer);
}

TEST(Encoder, MovesToMemoryOfItsOwnWhereTheBufferEnds) {
  alignas(16) std::byte buffer[16];
  Encoder encoder(buffer);

  for (std::uint64_t i = 0; i < 1000; ++i) encoder.put(i);

  EXPECT_FALSE(encoder.in_place());
  Decoder decoder(encoder.bytes());
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_EQ(decoder.take<std::uint64_t>(), i);
}

TEST(Encoder, ItsOwnMemoryIsAlignedForAnyNumber) {
  Encoder encoder;
  encoder.put('x');

  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(encoder.bytes().data()) % 16, 0U);
}

TEST(Encoder, ClearForgetsEverythingButKeepsTheMemory) {
  Encoder encoder;
  encoder.put(1);
  encoder.write_handle(handle_to(1));
  encoder.write_descriptor(0);
  const std::byte* memory = encoder.bytes().data();

  encoder.clear();

  EXPECT_TRUE(encoder.bytes().empty());
  EXPECT_TRUE(encoder.handles().empty());
  EXPECT_TRUE(encoder.descriptors().empty());
  EXPECT_EQ(encoder.bytes().data(), memory);
}

TEST(Encoder, MovedToAnotherGoesOnThere) {
  Encoder first;
  first.put(1);
  Encoder second(std::move(first));
  second.put(2);

  Decoder decoder(second.bytes());

  EXPECT_EQ(decoder.take<int>(), 1);
  EXPECT_EQ(decoder.take<int>(), 2);
}

TEST(Encoder, LengthsOfAnySizeComeBack) {
  Encoder encoder;
  for (const std::uint64_t n : {0UL, 1UL, 254UL, 255UL, 256UL, ~0UL}) encoder.write_length(n);

  Decoder decoder(encoder.bytes());

  for (const std::uint64_t n : {0UL, 1UL, 254UL, 255UL, 256UL, ~0UL}) {
    EXPECT_EQ(decoder.read_number(), n);
  }
}

TEST(Encoder, KeepsTheObjectsAliveThatItsHandlesName) {
  auto object = std::make_shared<int>(5);
  const std::weak_ptr<int> watch = object;
  Encoder encoder;

  encoder.write_handle(Handle(std::move(object)));

  EXPECT_FALSE(watch.expired());
  encoder.clear();
  EXPECT_TRUE(watch.expired());
}

TEST(Decoder, HandsOutTheHandlesInTheOrderOfTheirIndices) {
  Encoder encoder;
  encoder.write_handle(handle_to(1));
  encoder.write_handle(Handle());
  encoder.write_handle(handle_to(2));

  Decoder decoder(encoder.bytes(), encoder.handles());

  EXPECT_EQ(decoder.read_handle().as<int>(), 1);
  EXPECT_FALSE(decoder.read_handle());
  EXPECT_EQ(decoder.read_handle().as<int>(), 2);
}

TEST(Decoder, AHandleThatDidNotComeAlongIsAnError) {
  Encoder encoder;
  encoder.write_handle(handle_to(1));

  Decoder decoder(encoder.bytes());

  EXPECT_THROW(static_cast<void>(decoder.read_handle()), ValueError);
}

TEST(Decoder, LeavesOnlyThoseDescriptorsToTheCallerThatNobodyTook) {
  Encoder encoder;
  encoder.write_descriptor(10);
  encoder.write_descriptor(11);
  std::vector<int> received{20, 21};

  Decoder decoder(encoder.bytes(), {}, received);

  EXPECT_EQ(decoder.read_descriptor(), 20);
  EXPECT_EQ(received, (std::vector<int>{-1, 21}));
}

TEST(Decoder, ADescriptorCanBeTakenOnce) {
  Encoder encoder;
  encoder.put(std::uint32_t{0});
  encoder.put(std::uint32_t{0});
  std::vector<int> received{20};
  Decoder decoder(encoder.bytes(), {}, received);

  EXPECT_EQ(decoder.read_descriptor(), 20);

  EXPECT_THROW(static_cast<void>(decoder.read_descriptor()), ValueError);
}

TEST(Decoder, AnErrorSaysWhereTheMessageEnds) {
  Encoder encoder;
  encoder.put(1);
  Decoder decoder(encoder.bytes());
  static_cast<void>(decoder.take<std::uint8_t>());

  try {
    static_cast<void>(decoder.take<double>());
    FAIL() << "read behind the end";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "cannot decode a message: it is cut short at byte 1, where 8 more are needed and "
                 "3 are left");
  }
}

}  // namespace
}  // namespace multiprocessing::detail
