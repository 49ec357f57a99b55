import http from 'http'

http.createServer(async (req, res) => {
  
  // 允许跨域访问
  res.setHeader('Access-Control-Allow-Origin', '*')
  // 设置响应体为纯文本，UTF8编码
  res.setHeader('Content-Type', 'text/plain;charset=utf-8')
  
  res.write("你好")
  res.end()
  
}).listen(9000, () => console.log(`9000端口已启动`) )
