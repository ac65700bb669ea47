package kseg.example

import android.content.res.AssetManager
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

/** The model in LiteRT itself: files of float32 or float16, logits or probabilities. */
class LiteRTSegmenter(assets: AssetManager, private val sidecar: Sidecar) : Segmenter {
    init {
        require(sidecar.takesFloats && sidecar.output != "class_map") {
            "LiteRT's Kotlin buffers hold floats: export float32 or float16 and logits."
        }
    }

    private val model = CompiledModel.create(
        assets, MODEL, CompiledModel.Options(Accelerator.CPU)
    )
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    override fun segment(photo: Bitmap): ClassMap {
        inputs[0].writeFloat(values(photo))
        model.run(inputs, outputs)
        val ids = largest(outputs[0].readFloat())
        return ClassMap(sidecar.outputHeight, sidecar.outputWidth, ids)
    }

    /** Red, green and blue of every pixel, 0 to 255: the model normalises them itself. */
    private fun values(photo: Bitmap): FloatArray {
        val (height, width) = sidecar.inputHeight to sidecar.inputWidth
        val scaled = Bitmap.createScaledBitmap(photo, width, height, true)
        val pixels = IntArray(height * width)
        scaled.getPixels(pixels, 0, width, 0, 0, width, height)
        val values = FloatArray(3 * pixels.size)
        for ((i, pixel) in pixels.withIndex()) {
            values[3 * i] = (pixel shr 16 and 0xFF).toFloat()
            values[3 * i + 1] = (pixel shr 8 and 0xFF).toFloat()
            values[3 * i + 2] = (pixel and 0xFF).toFloat()
        }
        return values
    }

    /** The class with the largest score of every pixel. */
    private fun largest(scores: FloatArray): ByteArray {
        val ids = ByteArray(sidecar.outputHeight * sidecar.outputWidth)
        val channels = scores.size / ids.size
        for (pixel in ids.indices) {
            val first = pixel * channels
            var best = 0
            for (channel in 1 until channels) {
                if (scores[first + channel] > scores[first + best]) best = channel
            }
            // One channel is the score of class 1 against class 0.
            if (channels == 1 && scores[first] > 0) best = 1
            ids[pixel] = best.toByte()
        }
        return ids
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }
}
