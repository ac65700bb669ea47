package kseg.example

import android.content.Context
import android.graphics.Bitmap
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.framework.image.ByteBufferExtractor
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.core.RunningMode
import com.google.mediapipe.tasks.vision.imagesegmenter.ImageSegmenter
import com.google.mediapipe.tasks.vision.imagesegmenter.ImageSegmenter.ImageSegmenterOptions

/**
 * MediaPipe's ImageSegmenter, which finds in the file's metadata how the model wants its
 * images, and resizes the photo and the mask. It takes files of logits or probabilities
 * of float32, float16 or int8, with two classes or more.
 */
class MediaPipeSegmenter(context: Context) : Segmenter {
    private val segmenter = ImageSegmenter.createFromOptions(
        context,
        ImageSegmenterOptions.builder()
            .setBaseOptions(BaseOptions.builder().setModelAssetPath(MODEL).build())
            .setRunningMode(RunningMode.IMAGE)
            .setOutputCategoryMask(true)
            .setOutputConfidenceMasks(false)
            .build()
    )

    override fun segment(photo: Bitmap): ClassMap {
        val result = segmenter.segment(BitmapImageBuilder(photo).build())
        val mask = result.categoryMask().get()
        val ids = ByteArray(mask.width * mask.height)
        val buffer = ByteBufferExtractor.extract(mask)
        buffer.rewind()
        buffer.get(ids)
        return ClassMap(mask.height, mask.width, ids)
    }

    override fun close() = segmenter.close()
}
