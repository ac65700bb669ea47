package kseg.example

import android.graphics.Bitmap
import android.graphics.ImageDecoder
import android.os.Bundle
import android.widget.Button
import android.widget.ImageView
import android.widget.Switch
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia
import androidx.activity.result.contract.ActivityResultContracts.TakePicturePreview
import java.util.concurrent.Executors

/** A picture, and its classes as MediaPipe or LiteRT finds them. */
class MainActivity : ComponentActivity() {
    // A model is made and run on one thread, which is not that of the views.
    private val worker = Executors.newSingleThreadExecutor()
    private val sidecar by lazy { Sidecar(assets) }
    private val mediaPipe = lazy { MediaPipeSegmenter(this) }
    private val plain = lazy { LiteRTSegmenter(assets, sidecar) }

    private val pick = registerForActivityResult(PickVisualMedia()) { uri ->
        if (uri != null) {
            val source = ImageDecoder.createSource(contentResolver, uri)
            show {
                ImageDecoder.decodeBitmap(source) { decoder, info, _ ->
                    // One whose pixels can be read, and no larger than the screen needs.
                    decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
                    val longest = maxOf(info.size.width, info.size.height)
                    decoder.setTargetSampleSize(maxOf(1, longest / 1024))
                }
            }
        }
    }

    private val take = registerForActivityResult(TakePicturePreview()) { photo ->
        if (photo != null) show { photo }
    }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_main)
        findViewById<Button>(R.id.pick).setOnClickListener {
            pick.launch(PickVisualMediaRequest(PickVisualMedia.ImageOnly))
        }
        findViewById<Button>(R.id.take).setOnClickListener { take.launch(null) }
    }

    /** Shows a photo with its classes, or why there are none. */
    private fun show(open: () -> Bitmap) {
        val chosen = if (findViewById<Switch>(R.id.plain).isChecked) plain else mediaPipe
        worker.execute {
            try {
                val photo = open().copy(Bitmap.Config.ARGB_8888, false)
                val classes = chosen.value.segment(photo)
                val picture = overlay(photo, classes, sidecar.colors)
                val text = legend(classes, sidecar.names)
                runOnUiThread {
                    findViewById<ImageView>(R.id.result).setImageBitmap(picture)
                    findViewById<TextView>(R.id.legend).text = text
                }
            } catch (error: Exception) {
                val text = error.message ?: error.toString()
                runOnUiThread { findViewById<TextView>(R.id.legend).text = text }
            }
        }
    }

    override fun onDestroy() {
        worker.execute {
            if (mediaPipe.isInitialized()) mediaPipe.value.close()
            if (plain.isInitialized()) plain.value.close()
        }
        worker.shutdown()
        super.onDestroy()
    }
}
