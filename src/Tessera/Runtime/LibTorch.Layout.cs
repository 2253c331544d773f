using System.Globalization;
using System.Runtime.InteropServices;

namespace Tessera.Runtime;

// Whether TorchSharp's native half and another version's libtorch agree on how a tensor lies in memory.
public static partial class LibTorch
{
    private const sbyte Float64 = 7; // c10::ScalarType::Double
    private static nint bindingLibrary;

    /// <summary>
    /// Makes a tensor and asks TorchSharp's half about it. That reads most answers from the tensor's memory, at the places where the libtorch that it was
    /// compiled with keeps them, so that other places give other answers. It cannot tell of places that it does not read.
    /// </summary>
    /// <returns>The first answer that is wrong; null: all are right.</returns>
    internal static unsafe string? FaultOfLayout()
    {
        var sizes = stackalloc long[] { 4, 5 }; // no two answers that lie side by side are the same
        var tensor = ((delegate* unmanaged<long*, int, sbyte, int, int, byte, nint>)Function("THSTensor_ones"))(sizes, 2, Float64, 0, -1, 1); // on the CPU, with a gradient
        if (tensor == 0) return "no tensor can be made";
        (string What, long Found, long Right)[] answers =
        [
            ("number of dimensions", Ask("THSTensor_ndimension"), 2),
            ("first size", AskOf("THSTensor_size", 0), 4),
            ("second size", AskOf("THSTensor_size", 1), 5),
            ("first stride", AskOf("THSTensor_stride", 0), 5),
            ("second stride", AskOf("THSTensor_stride", 1), 1),
            ("number of elements", Ask("THSTensor_numel"), 20),
            ("element size", Ask("THSTensor_element_size"), sizeof(double)),
            ("number format", (sbyte)Ask("THSTensor_type"), Float64),
            ("device", (int)Ask("THSTensor_device_type"), 0),
            ("need of a gradient", (byte)Ask("THSTensor_requires_grad"), 1),
        ];
        if (answers.FirstOrDefault(a => a.Found != a.Right) is { What: { } what } wrong)
            return string.Create(CultureInfo.InvariantCulture, $"a tensor's {what} reads {wrong.Found} and not {wrong.Right}: it lies in memory in another way");

        var values = new ReadOnlySpan<double>((void*)Ask("THSTensor_data"), 20);
        var right = values.IndexOfAnyExcept(1.0) < 0;
        ((delegate* unmanaged<nint, void>)Function("THSTensor_dispose"))(tensor);
        return right ? null : "a tensor of ones reads otherwise: it lies in memory in another way";

        long Ask(string function) => ((delegate* unmanaged<nint, long>)Function(function))(tensor);
        long AskOf(string function, long dimension) => ((delegate* unmanaged<nint, long, long>)Function(function))(tensor, dimension);
        static nint Function(string name) => NativeLibrary.GetExport(bindingLibrary, name);
    }
}
