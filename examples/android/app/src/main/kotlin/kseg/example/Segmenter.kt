package kseg.example

import android.graphics.Bitmap

/** The class of every pixel, a byte each, row by row. */
class ClassMap(val height: Int, val width: Int, private val ids: ByteArray) {
    val size: Int
        get() = ids.size

    /** A byte of Kotlin is signed; an id is not. */
    operator fun get(pixel: Int): Int = ids[pixel].toInt() and 0xFF
}

/** What finds the classes of a photo. */
interface Segmenter : AutoCloseable {
    /** Returns the classes of a photo of any size, ARGB_8888. */
    fun segment(photo: Bitmap): ClassMap
}
