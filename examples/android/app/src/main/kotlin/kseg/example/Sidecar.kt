package kseg.example

import android.content.res.AssetManager
import android.graphics.Color
import org.json.JSONObject

const val MODEL = "model.tflite"

/** What the sidecar of the model says: its sizes, its type, its classes. */
class Sidecar(assets: AssetManager) {
    val inputHeight: Int
    val inputWidth: Int
    val outputHeight: Int
    val outputWidth: Int
    val takesFloats: Boolean

    /** `"logits"`, `"probabilities"` or `"class_map"`. */
    val output: String
    val names: List<String>

    /** Opaque colours, as Android packs them. */
    val colors: List<Int>

    init {
        val text = assets.open("model.json").bufferedReader().use { it.readText() }
        val sidecar = JSONObject(text)
        val input = sidecar.getJSONObject("input")
        val result = sidecar.getJSONObject("output")
        inputHeight = input.getJSONArray("shape").getInt(1)
        inputWidth = input.getJSONArray("shape").getInt(2)
        outputHeight = result.getJSONArray("shape").getInt(1)
        outputWidth = result.getJSONArray("shape").getInt(2)
        takesFloats = input.getString("dtype") == "float32"
        output = result.getString("kind")
        val classes = sidecar.getJSONObject("labels").getJSONArray("classes")
        val entries = (0 until classes.length()).map { classes.getJSONObject(it) }
        names = entries.map { it.getString("name") }
        colors = entries.map {
            val rgb = it.getJSONArray("color")
            Color.rgb(rgb.getInt(0), rgb.getInt(1), rgb.getInt(2))
        }
    }
}
