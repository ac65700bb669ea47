// Segments a photo with a LiteRT file of `kseg export`:
//     segment model.tflite photo.png classes.png [threads]
// The pixels of classes.png are class ids, its palette the colours of the classes.

#include <png.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "litert.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Picture {
    int height, width;
    Bytes rgb;
};

void require(bool holds, const std::string& otherwise) {
    if (!holds) throw std::runtime_error(otherwise);
}

void check(LiteRtStatus status, const char* what) {
    require(status == 0, std::string(what) + ": LiteRT status " + std::to_string(status));
}

// An object of LiteRT that is destroyed with its scope.
template <auto destroy, typename T>
std::unique_ptr<std::remove_pointer_t<T>, decltype(destroy)> owned(T object) {
    return {object, destroy};
}

Picture read_png(const char* path) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    require(png_image_begin_read_from_file(&image, path), image.message);
    image.format = PNG_FORMAT_RGB;
    Bytes rgb(PNG_IMAGE_SIZE(image));
    require(png_image_finish_read(&image, nullptr, rgb.data(), 0, nullptr),
            image.message);
    return {int(image.height), int(image.width), rgb};
}

void write_png(const char* path, int height, int width, const Bytes& ids,
               const Bytes& palette) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = width;
    image.height = height;
    image.format = PNG_FORMAT_RGB_COLORMAP;
    image.colormap_entries = palette.size() / 3;
    require(png_image_write_to_file(&image, path, 0, ids.data(), 0, palette.data()),
            image.message);
}

// The colours in the copy of the sidecar that stands, as JSON, at the end of the file.
Bytes read_palette(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::string content(std::istreambuf_iterator<char>(file), {});
    const std::string key = "\"color\": [";
    Bytes palette;
    auto at = content.rfind("\"classes\": [");
    while ((at = content.find(key, at)) != std::string::npos) {
        at += key.size();
        int red, green, blue;
        if (std::sscanf(&content[at], "%d, %d, %d", &red, &green, &blue) != 3) break;
        for (int value : {red, green, blue}) palette.push_back(value);
    }
    require(!palette.empty(), std::string(path) + " names no colours: export it again");
    return palette;
}

// The pixels of the largest channel, the first of equal ones. Stored integers have the
// order of what they stand for. One channel is the score of class 1 against class 0.
template <typename T>
Bytes largest(const T* scores, std::size_t pixels, int channels, T zero) {
    Bytes ids(pixels);
    for (std::size_t i = 0; i < pixels; ++i, scores += channels) {
        ids[i] = channels == 1 ? *scores > zero
                               : std::max_element(scores, scores + channels) - scores;
    }
    return ids;
}

std::size_t num_bytes(const LiteRtRankedTensorType& type) {
    std::size_t size = type.element_type == kLiteRtElementTypeFloat32 ? 4 : 1;
    for (unsigned i = 0; i < type.layout.rank; ++i) size *= type.layout.dimensions[i];
    return size;
}

void* lock(LiteRtTensorBuffer buffer, LiteRtTensorBufferLockMode mode) {
    void* address = nullptr;
    check(LiteRtLockTensorBuffer(buffer, &address, mode), "lock a buffer");
    return address;
}

auto new_buffer(LiteRtEnvironment environment, const LiteRtRankedTensorType& type) {
    LiteRtTensorBuffer buffer = nullptr;
    check(LiteRtCreateManagedTensorBuffer(environment, kLiteRtTensorBufferTypeHostMemory,
                                          &type, num_bytes(type), &buffer),
          "create a buffer");
    return owned<LiteRtDestroyTensorBuffer>(buffer);
}

auto new_options(int threads) {
    LiteRtOptions options = nullptr;
    check(LiteRtCreateOptions(&options), "create options");
    auto result = owned<LiteRtDestroyOptions>(options);
    check(LiteRtSetOptionsHardwareAccelerators(options, kLiteRtHwAcceleratorCpu), "CPU");
    // LiteRT takes the options of a processor as lines of TOML.
    char* toml = strdup(("num_threads = " + std::to_string(threads) + "\n").c_str());
    LiteRtOpaqueOptions cpu = nullptr;
    check(LiteRtCreateOpaqueOptions("xnnpack", toml, std::free, &cpu), "options");
    check(LiteRtAddOpaqueOptions(options, cpu), "options");
    return result;
}

// Values of 0 to 255 as they are; a uint8 input has scale 1 and zero point 0.
void write_image(LiteRtTensorBuffer buffer, LiteRtElementType type, const Bytes& rgb) {
    void* target = lock(buffer, kLiteRtTensorBufferLockModeWrite);
    if (type == kLiteRtElementTypeFloat32) {
        std::copy(rgb.begin(), rgb.end(), static_cast<float*>(target));
    } else {
        std::copy(rgb.begin(), rgb.end(), static_cast<std::uint8_t*>(target));
    }
    check(LiteRtUnlockTensorBuffer(buffer), "unlock a buffer");
}

Bytes read_ids(LiteRtTensorBuffer buffer, LiteRtTensor tensor,
               const LiteRtRankedTensorType& type) {
    const auto& sides = type.layout.dimensions;
    const std::size_t pixels = std::size_t(sides[1]) * sides[2];
    const void* source = lock(buffer, kLiteRtTensorBufferLockModeRead);
    Bytes ids;
    if (type.element_type == kLiteRtElementTypeFloat32) {
        ids = largest(static_cast<const float*>(source), pixels, sides[3], 0.0F);
    } else {
        const auto* bytes = static_cast<const std::uint8_t*>(source);
        if (type.layout.rank == 3) {  // a class map
            ids.assign(bytes, bytes + pixels);
        } else {
            LiteRtQuantizationPerTensor quantization{};
            check(LiteRtGetPerTensorQuantization(tensor, &quantization), "quantisation");
            ids = largest(bytes, pixels, sides[3],
                          std::uint8_t(quantization.zero_point));
        }
    }
    check(LiteRtUnlockTensorBuffer(buffer), "unlock a buffer");
    return ids;
}

void segment(const char* model_path, const char* photo_path, const char* classes_path,
             int threads) {
    LiteRtEnvironment environment = nullptr;
    check(LiteRtCreateEnvironment(0, nullptr, &environment), "create an environment");
    auto own_environment = owned<LiteRtDestroyEnvironment>(environment);
    LiteRtModel model = nullptr;
    check(LiteRtCreateModelFromFile(environment, model_path, &model), model_path);
    auto own_model = owned<LiteRtDestroyModel>(model);

    LiteRtSubgraph graph = nullptr;
    LiteRtTensor image = nullptr, result = nullptr;
    LiteRtRankedTensorType image_type{}, result_type{};
    check(LiteRtGetModelSubgraph(model, 0, &graph), "find the graph");
    check(LiteRtGetSubgraphInput(graph, 0, &image), "find the input");
    check(LiteRtGetSubgraphOutput(graph, 0, &result), "find the output");
    check(LiteRtGetRankedTensorType(image, &image_type), "type of the input");
    check(LiteRtGetRankedTensorType(result, &result_type), "type of the output");

    const Picture photo = read_png(photo_path);
    const auto& sides = image_type.layout.dimensions;
    require(photo.height == sides[1] && photo.width == sides[2] && sides[3] == 3,
            "The photo must be " + std::to_string(sides[1]) + "x" +
                std::to_string(sides[2]) + ". Received: " +
                std::to_string(photo.height) + "x" + std::to_string(photo.width) +
                ". Resize it.");

    auto options = new_options(threads);
    LiteRtCompiledModel compiled = nullptr;
    check(LiteRtCreateCompiledModel(environment, model, options.get(), &compiled),
          "compile the model");
    auto own_compiled = owned<LiteRtDestroyCompiledModel>(compiled);
    auto input = new_buffer(environment, image_type);
    auto output = new_buffer(environment, result_type);
    write_image(input.get(), image_type.element_type, photo.rgb);

    LiteRtTensorBuffer inputs[] = {input.get()}, outputs[] = {output.get()};
    const auto start = std::chrono::steady_clock::now();
    check(LiteRtRunCompiledModel(compiled, 0, 1, inputs, 1, outputs), "run the model");
    const std::chrono::duration<double, std::milli> time =
        std::chrono::steady_clock::now() - start;

    const auto& shape = result_type.layout.dimensions;
    write_png(classes_path, shape[1], shape[2],
              read_ids(output.get(), result, result_type), read_palette(model_path));
    std::printf("%s: %dx%d pixels in %.1f ms\n", classes_path, shape[1], shape[2],
                time.count());
}

}  // namespace

int main(int argc, char** argv) {
    const int threads = argc == 5 ? std::atoi(argv[4]) : 2;
    if (argc < 4 || argc > 5 || threads < 1) {
        std::fprintf(stderr, "segment model.tflite photo.png classes.png [threads]\n");
        return 2;
    }
    try {
        segment(argv[1], argv[2], argv[3], threads);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "segment: %s\n", error.what());
        return 1;
    }
    return 0;
}
